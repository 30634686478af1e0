//! Orders to stop: of an authority, a court, or the controller themselves.

use assent_ledger::{Act, Ledger, Order, OrderId, Scope, Timestamp, TxError};

/// All orders, those that are over too, the oldest first.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::orders`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn all(ledger: &Ledger, now: Timestamp) -> Result<Vec<Order>, TxError> {
    ledger.read_tx(now, |tx| tx.orders())
}

/// Stops scans, searches and enrolments in a scope, also those that are running; without `until`, until it is lifted.
///
/// # Errors
///
/// As [`assent_ledger::Tx::order_stop`].
pub fn stop(
    ledger: &Ledger,
    scope: &Scope,
    reason: &str,
    until: Option<Timestamp>,
    act: Act,
) -> Result<OrderId, TxError> {
    Ok(ledger.run_tx("stop", act, |tx| tx.order_stop(scope, reason, until))?.into_inner())
}

/// Ends an order.
///
/// # Errors
///
/// As [`assent_ledger::Tx::lift_order`].
pub fn lift(ledger: &Ledger, order: OrderId, act: Act) -> Result<(), TxError> {
    ledger.run_tx("lift an order", act, |tx| tx.lift_order(order))?;
    Ok(())
}
