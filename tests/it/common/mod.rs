//! Servers, senders and messages that the tests share.
