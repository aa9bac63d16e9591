//! Trusts nobody: stands in for the crate of this name, whose list of public certificate authorities the mysql crate
//! adds to those that
//! it is told to trust, in all its ways of verification, and with no switch to leave it out.
//!
//! What is to be trusted is handed over by name (`ssl-ca`), or is the system's own store, which an operator can look
//! at and change. The list
//! is not empty, because the verifier of rustls refuses to be made without an anchor even where nothing is to be
//! verified.

#![no_std]

use pki_types::{Der, TrustAnchor};

/// One anchor that has signed nothing: its key is none, so no signature can be verified by it.
pub const TLS_SERVER_ROOTS: &[TrustAnchor<'static>] = &[TrustAnchor {
    subject: Der::from_slice(b""),
    subject_public_key_info: Der::from_slice(b""),
    name_constraints: None,
}];
