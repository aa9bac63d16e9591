//! Proofs of the codec.
