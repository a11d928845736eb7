//! Unit vectors: their dot product is the cosine.

/// Normalizes to length 1. A zero vector is unchanged: it is similar to nothing.
pub(super) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        let scale = (1.0 / length) as f32;
        for number in vector {
            *number *= scale;
        }
    }
}
