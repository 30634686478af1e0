//! assent-testkit
