//! The vectors of one persona, side by side in memory, and the exact search for the nearest.
//!
//! Exhaustive search: for ten thousand vectors a millisecond or two, with full recall and nothing to tune. Pure;
//! [`troupe_db::vector_stores::local`] fills it.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap, HashSet},
};

use crate::{
    ids::PassageId,
    ports::{Found, Point},
};

/// Independent partial sums, so that the compiler can vectorise the loop.
const LANES: usize = 16;

#[derive(Debug, Clone)]
pub struct ExactIndex {
    dimension: usize,
    /// The index of each passage.
    indexes: HashMap<PassageId, usize>,
    passages: Vec<PassageId>,
    /// One vector after the other.
    numbers: Vec<f32>,
}

impl ExactIndex {
    pub fn new(dimension: usize) -> Self {
        Self { dimension, indexes: HashMap::new(), passages: Vec::new(), numbers: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.passages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// The number of floats that a search reads.
    pub fn numbers(&self) -> usize {
        self.numbers.len()
    }

    pub fn contains(&self, passage: PassageId) -> bool {
        self.indexes.contains_key(&passage)
    }

    /// Inserts or replaces a passage's vector. One of another dimension is ignored.
    pub fn upsert(&mut self, Point { passage, vector, .. }: &Point) {
        if vector.len() != self.dimension {
            return;
        }
        if let Some(index) = self.indexes.get(passage) {
            self.numbers[index * self.dimension..][..self.dimension].copy_from_slice(vector);
            return;
        }
        self.indexes.insert(*passage, self.passages.len());
        self.passages.push(*passage);
        self.numbers.extend_from_slice(vector);
    }

    /// Removes all others.
    pub fn retain(&mut self, kept: &HashSet<PassageId>) {
        let mut index = 0;
        while index < self.passages.len() {
            if kept.contains(&self.passages[index]) { index += 1 } else { self.remove_at(index) }
        }
        if self.numbers.len() < self.numbers.capacity() / 2 {
            self.numbers.shrink_to_fit();
        }
    }

    /// Replaces it by the last vector.
    fn remove_at(&mut self, index: usize) {
        let removed = self.passages.swap_remove(index);
        self.indexes.remove(&removed);
        let last = self.passages.len();
        if let Some(moved) = self.passages.get(index) {
            self.indexes.insert(*moved, index);
            self.numbers.copy_within(last * self.dimension.., index * self.dimension);
        }
        self.numbers.truncate(last * self.dimension);
    }

    /// The nearest, the best first; ties by the lower id.
    pub fn nearest(&self, vector: &[f32], limit: usize) -> Vec<Found> {
        if limit == 0 || vector.len() != self.dimension || self.dimension == 0 {
            return Vec::new();
        }
        let mut best = BinaryHeap::with_capacity(limit.min(self.len()) + 1);
        for (passage, candidate) in self.passages.iter().zip(self.numbers.chunks_exact(self.dimension)) {
            let ranked = Reverse(Ranked(Found { passage: *passage, score: dot(vector, candidate) }));
            if best.len() < limit {
                best.push(ranked);
            } else if best.peek().is_some_and(|worst| ranked < *worst) {
                best.pop();
                best.push(ranked);
            }
        }
        best.into_sorted_vec().into_iter().map(|Reverse(Ranked(found))| found).collect()
    }
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    let (ones, one_rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (one, other) in ones.iter().zip(others) {
        for lane in 0..LANES {
            sums[lane] += one[lane] * other[lane];
        }
    }
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// Greater is better.
struct Ranked(Found);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.score.total_cmp(&other.0.score).then(other.0.passage.cmp(&self.0.passage))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::ids::PersonaId;

    const DIMENSION: usize = 19;

    fn point(number: u8, vector: Vec<f32>) -> Point {
        let id = Uuid::from_u128(u128::from(number));
        Point { passage: id.into(), persona: PersonaId::from(Uuid::nil()), source: Uuid::nil(), vector }
    }

    fn vectors() -> impl Strategy<Value = Vec<(u8, Vec<f32>)>> {
        let vector = prop::collection::vec(-1.0_f32..1.0, DIMENSION);
        prop::collection::vec((0_u8..40, vector), 0..80)
    }

    proptest! {
        /// Whatever came and went, in whatever order, the nearest are those that looking at each and sorting gives.
        #[test]
        fn finds_what_sorting_finds(
            came in vectors(), kept in prop::collection::hash_set(0_u8..40, 0..40), came_again in vectors(),
            asked in prop::collection::vec(-1.0_f32..1.0, DIMENSION), limit in 0_usize..50,
        ) {
            let mut index = ExactIndex::new(DIMENSION);
            let mut known: HashMap<PassageId, Vec<f32>> = HashMap::new();
            let add = |index: &mut ExactIndex, known: &mut HashMap<_, _>, points: Vec<(u8, Vec<f32>)>| {
                for (number, vector) in points {
                    let point = point(number, vector);
                    index.upsert(&point);
                    known.insert(point.passage, point.vector);
                }
            };
            add(&mut index, &mut known, came);
            let kept: HashSet<_> = kept.into_iter().map(|number| point(number, Vec::new()).passage).collect();
            index.retain(&kept);
            known.retain(|passage, _| kept.contains(passage));
            add(&mut index, &mut known, came_again);

            let mut sorted: Vec<_> = known.iter().map(|(passage, vector)| (dot(&asked, vector), *passage)).collect();
            sorted.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
            sorted.truncate(limit);
            let found: Vec<_> = index.nearest(&asked, limit).iter().map(|found| (found.score, found.passage)).collect();
            prop_assert_eq!(found, sorted);
            prop_assert_eq!(index.len(), known.len());
            prop_assert_eq!(index.numbers(), known.len() * DIMENSION);
        }
    }

    #[test]
    fn nothing_is_near_to_what_has_another_dimension() {
        let mut index = ExactIndex::new(2);
        index.upsert(&point(1, vec![1.0, 0.0]));
        index.upsert(&point(2, vec![1.0, 0.0, 0.0]));
        assert_eq!(index.len(), 1);
        assert!(index.nearest(&[1.0], 5).is_empty());
        assert_eq!(index.nearest(&[1.0, 0.0], 5).len(), 1);
    }
}
