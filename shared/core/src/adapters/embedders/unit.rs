//! Vectors of length 1: their dot product is the cosine.

/// Brings it to length 1. One of length 0 stays as it is: it is like nothing.
pub(super) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        let scale = (1.0 / length) as f32;
        for number in vector {
            *number *= scale;
        }
    }
}
