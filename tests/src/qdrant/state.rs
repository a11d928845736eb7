//! What a Qdrant remembers: collections, aliases and points; and how points are chosen and compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use qdrant_client::qdrant::{
    Condition, Filter, PointId, Value, condition::ConditionOneOf, r#match::MatchValue, point_id::PointIdOptions,
};
use tonic::Status;

#[derive(Default)]
pub(super) struct State {
    pub(super) collections: BTreeMap<String, Collection>,
    pub(super) aliases: BTreeMap<String, String>,
}

pub(super) struct Collection {
    pub(super) dimension: u64,
    pub(super) indexed: BTreeSet<String>,
    /// By id.
    pub(super) points: BTreeMap<String, Stored>,
}

pub(super) struct Stored {
    pub(super) vector: Vec<f32>,
    pub(super) payload: HashMap<String, Value>,
}

impl State {
    pub(super) fn make(&mut self, name: &str, dimension: u64) -> Result<(), Status> {
        if self.collections.contains_key(name) || self.aliases.contains_key(name) {
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        let collection = Collection { dimension, indexed: BTreeSet::new(), points: BTreeMap::new() };
        self.collections.insert(name.to_owned(), collection);
        Ok(())
    }

    /// By its name, or an alias.
    pub(super) fn find(&mut self, name: &str) -> Result<&mut Collection, Status> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        let missing = || Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"));
        self.collections.get_mut(name).ok_or_else(missing)
    }
}

impl Collection {
    pub(super) fn check(&self, vector: &[f32]) -> Result<(), Status> {
        if vector.len() as u64 == self.dimension {
            return Ok(());
        }
        let (wants, has) = (self.dimension, vector.len());
        let why = format!("Wrong input: Vector dimension error: expected dim: {wants}, got {has}");
        Err(Status::invalid_argument(why))
    }

    /// Those that a filter lets through. A field that is not indexed is no field for a filter: with many points it
    /// would be slow.
    pub(super) fn chosen(&self, filter: &Filter) -> Result<Vec<String>, Status> {
        if !filter.should.is_empty() || !filter.must_not.is_empty() || filter.min_should.is_some() {
            return Err(Status::unimplemented("only `must`"));
        }
        let mut chosen = Vec::new();
        for (id, point) in &self.points {
            let mut all = true;
            for condition in &filter.must {
                all &= self.holds(condition, id, point)?;
            }
            if all {
                chosen.push(id.clone());
            }
        }
        Ok(chosen)
    }

    fn holds(&self, condition: &Condition, id: &str, point: &Stored) -> Result<bool, Status> {
        match &condition.condition_one_of {
            Some(ConditionOneOf::HasId(has_id)) => {
                Ok(has_id.has_id.iter().any(|one| id_of(Some(one)).is_ok_and(|one| one == id)))
            }
            Some(ConditionOneOf::Field(field)) => {
                if !self.indexed.contains(&field.key) {
                    return Err(Status::invalid_argument(format!("no index for `{}`", field.key)));
                }
                let Some(MatchValue::Keyword(wanted)) =
                    field.r#match.as_ref().and_then(|wanted| wanted.match_value.clone())
                else {
                    return Err(Status::unimplemented("only keywords"));
                };
                Ok(point.payload.get(&field.key).and_then(Value::as_str) == Some(&wanted))
            }
            _ => Err(Status::unimplemented("only fields and ids")),
        }
    }
}

pub(super) fn id_of(id: Option<&PointId>) -> Result<String, Status> {
    match id.and_then(|id| id.point_id_options.clone()) {
        Some(PointIdOptions::Uuid(id)) => Ok(id),
        _ => Err(Status::invalid_argument("a point has no id that is a uuid")),
    }
}

/// The cosine.
pub(super) fn likeness(one: &[f32], other: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (dot(one, one) * dot(other, other)).sqrt();
    if lengths > 0.0 { dot(one, other) / lengths } else { 0.0 }
}
