//! The collections of one embedding model (`<prefix>_<model>_v1`, `_v2` and so on), and the alias of the searched one.
//!
//! The list is read from Qdrant each time, since other processes may change it.

use qdrant_client::{
    Qdrant,
    qdrant::{
        CreateAliasBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, Distance, FieldType,
        VectorParams, VectorParamsBuilder, vectors_config::Config,
    },
};

use ring::digest::{SHA256, digest};

use super::{PERSONA, SOURCE, failed};
use crate::ports::{Index, PortError, VectorStoreError};

/// Older ones have no query interface.
const OLDEST: (u32, u32) = (1, 10);

pub(super) struct Collections {
    alias: String,
    dimension: usize,
}

impl Collections {
    pub(super) fn new(prefix: &str, model: &str, dimension: usize) -> Self {
        Self { alias: format!("{prefix}_{}", plain(model)), dimension }
    }

    pub(super) fn alias(&self) -> &str {
        &self.alias
    }

    /// The searched collection, if there is one.
    pub(super) async fn searched_if_sound(&self, client: &Qdrant) -> Result<Option<Index>, VectorStoreError> {
        check_version(client).await?;
        let Some(name) = self.searched(client).await? else { return Ok(None) };
        self.check(client, &name).await?;
        Ok(Some(Index { name, made: false }))
    }

    /// The collections that receive changes: the searched one, and newer ones under construction.
    pub(super) async fn written(&self, client: &Qdrant) -> Result<Vec<String>, VectorStoreError> {
        let (searched, there) = tokio::try_join!(self.searched(client), self.there(client))?;
        let from = searched.as_deref().and_then(|name| self.number(name)).unwrap_or(0);
        Ok(there.into_iter().filter(|number| *number >= from).map(|number| self.name(number)).collect())
    }

    /// The newest unfinished collection, or a new one.
    pub(super) async fn begin(&self, client: &Qdrant) -> Result<Index, VectorStoreError> {
        check_version(client).await?;
        let searched = self.searched(client).await?;
        let current = searched.as_deref().and_then(|name| self.number(name)).unwrap_or(0);
        let newest = self.there(client).await?.into_iter().max().unwrap_or(0);
        let name = self.name(if newest > current { newest } else { current + 1 });
        let made = self.make(client, &name).await?;
        self.check(client, &name).await?;
        Ok(Index { name, made })
    }

    /// Switches searches to this collection, atomically, and removes older ones.
    pub(super) async fn finish(&self, client: &Qdrant, index: &Index) -> Result<(), VectorStoreError> {
        self.point_to(client, &index.name).await?;
        let current = self.number(&index.name);
        for old in self.there(client).await?.into_iter().filter(|number| Some(*number) < current) {
            let name = self.name(old);
            client.delete_collection(name).await.map_err(failed("remove an old collection of Qdrant"))?;
        }
        Ok(())
    }

    fn name(&self, number: u32) -> String {
        format!("{}_v{number}", self.alias)
    }

    fn number(&self, name: &str) -> Option<u32> {
        name.strip_prefix(&self.alias)?.strip_prefix("_v")?.parse().ok()
    }

    async fn searched(&self, client: &Qdrant) -> Result<Option<String>, VectorStoreError> {
        let aliases = client.list_aliases().await.map_err(failed("read Qdrant's aliases"))?.aliases;
        Ok(aliases.into_iter().find(|alias| alias.alias_name == self.alias).map(|alias| alias.collection_name))
    }

    async fn there(&self, client: &Qdrant) -> Result<Vec<u32>, VectorStoreError> {
        let collections = client.list_collections().await.map_err(failed("read Qdrant's collections"))?.collections;
        Ok(collections.iter().filter_map(|collection| self.number(&collection.name)).collect())
    }

    /// Whether it was created.
    async fn make(&self, client: &Qdrant, name: &str) -> Result<bool, VectorStoreError> {
        let exists = client.collection_exists(name).await.map_err(failed("look for a collection of Qdrant"))?;
        if !exists {
            let vectors = VectorParamsBuilder::new(self.dimension as u64, Distance::Cosine);
            let create = CreateCollectionBuilder::new(name).vectors_config(vectors);
            client.create_collection(create).await.map_err(failed("make a collection of Qdrant"))?;
        }
        // Also for an existing collection: its creator may have died before.
        for field in [PERSONA, SOURCE] {
            let index = CreateFieldIndexCollectionBuilder::new(name, field, FieldType::Keyword).wait(true);
            client.create_field_index(index).await.map_err(failed("index the payload of a collection of Qdrant"))?;
        }
        Ok(!exists)
    }

    async fn point_to(&self, client: &Qdrant, name: &str) -> Result<(), VectorStoreError> {
        // An existing alias is moved, atomically.
        let create = client.create_alias(CreateAliasBuilder::new(name, &self.alias)).await;
        create.map(drop).map_err(failed("move an alias of Qdrant"))
    }

    async fn check(&self, client: &Qdrant, name: &str) -> Result<(), VectorStoreError> {
        let info = client.collection_info(name).await.map_err(failed("read what a collection of Qdrant is"))?;
        let vectors = info.result.and_then(|info| info.config?.params?.vectors_config?.config);
        let dimension = self.dimension as u64;
        let unfit = |has: String| {
            let why = format!(
                "the collection {name} of Qdrant has {has}, the embedding model gives vectors of {dimension} \
                numbers to be compared by cosine; remove the collection and it is made anew"
            );
            Err(VectorStoreError::Unfit(why))
        };
        match vectors {
            Some(Config::Params(VectorParams { size, distance, .. })) => {
                let by = Distance::try_from(distance).unwrap_or(Distance::UnknownDistance);
                if size == dimension && by == Distance::Cosine {
                    Ok(())
                } else {
                    unfit(format!("vectors of {size} numbers compared by {}", by.as_str_name()))
                }
            }
            _ => unfit("no single vector for each point".to_owned()),
        }
    }
}

/// The model's name in characters that every version of Qdrant accepts. If others are replaced, a digest tells `a/b`
/// from `a-b`.
fn plain(model: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let name: String = model.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    if model.chars().all(|c| is_plain(c) || c == '@') {
        return name;
    }
    let digest = digest(&SHA256, model.as_bytes());
    digest.as_ref()[..4].iter().fold(name + "-", |name, byte| format!("{name}{byte:02x}"))
}

async fn check_version(client: &Qdrant) -> Result<(), VectorStoreError> {
    let version = client.health_check().await.map_err(failed("reach Qdrant"))?.version;
    let mut parts = version.split(['.', '-', '+']).map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < OLDEST => {
            Err(VectorStoreError::Unfit(format!("Qdrant {version} is too old: 1.10 or newer is needed")))
        }
        (Some(Ok(_)), Some(Ok(_))) => Ok(()),
        _ => Err(PortError { what: "reach Qdrant", why: format!("it says that it is version '{version}'") }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_name_of_its_own() {
        let alias = |model| Collections::new("troupe", model, 8).alias;
        assert_eq!(alias("text-embedding-3-small@8"), "troupe_text-embedding-3-small-8");
        let (one, other) = (alias("a/b@8"), alias("a:b@8"));
        for name in [&one, &other] {
            assert!(name.starts_with("troupe_a-b-8-"), "{name}");
        }
        assert!(one != other && alias("a-b@8") == "troupe_a-b-8");
    }

    #[test]
    fn only_its_own_collections_are_its_own() {
        let collections = Collections::new("troupe", "m@8", 8);
        assert_eq!(collections.name(3), "troupe_m-8_v3");
        assert_eq!(collections.number("troupe_m-8_v3"), Some(3));
        for other in ["troupe_m-8", "troupe_m-8_vx", "troupe_m-81_v3", "other_m-8_v3"] {
            assert_eq!(collections.number(other), None, "{other}");
        }
    }
}
