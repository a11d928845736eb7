//! Whole-system tests of Troupe.
