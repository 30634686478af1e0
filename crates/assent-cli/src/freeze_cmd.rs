//! `assent freeze`: an order to stop, at once, also for what is running.

use assent::ledger::{Jurisdiction, Scope};
use assent::service::orders;
use assent_documents::json::requests::{Order, OrderGiven, OrderLifted, OrderList};
use assent_documents::json::{Day, Id};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::output::{Output, date, day};
use crate::vault::{self, VaultFlags, act, now};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct FreezeArgs {
    /// Stop this collection alone, instead of the whole vault
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Stop the people and collections under this law alone: a code such as UK, or EU for all of its member states
    #[arg(long, value_name = "CODE", conflicts_with = "collection")]
    jurisdiction: Option<Jurisdiction>,
    /// Why: the order's reference, say
    #[arg(long, required = true)]
    reason: Option<String>,
    /// The first day on which it is over, such as 2027-07-31; without it, it holds until it is lifted
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    #[command(subcommand)]
    command: Option<FreezeCommand>,
}

#[derive(Debug, Subcommand)]
enum FreezeCommand {
    /// Show all orders
    List,
    /// End an order
    Lift {
        /// The order's number, as `assent freeze list` shows it
        order: String,
    },
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &FreezeArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    match &args.command {
        Some(FreezeCommand::List) => {
            let ledger = vault::open(flags)?;
            let orders = orders::all(&ledger, now())?;
            let collections = vault::collections_ever(&ledger)?;
            let now = now();
            let answer =
                OrderList { orders: orders.iter().map(|order| Order::new(order, &collections, now)).collect() };
            Ok(out.answer(&answer, |out| {
                for (order, Order { state, scope, reason, .. }) in orders.iter().zip(&answer.orders) {
                    let (id, from) = (vault::short(&order.id), date(order.from));
                    let until = order.until.map_or_else(|| "-".to_owned(), date);
                    writeln!(out, "{id}\t{state}\t{scope}\t{from}\t{until}\t{reason}")?;
                }
                if orders.is_empty() { writeln!(out, "No order was ever given.") } else { Ok(()) }
            })?)
        }
        Some(FreezeCommand::Lift { order }) => {
            let ledger = vault::open(flags)?;
            let order = vault::order(&ledger, order)?;
            let act = act();
            orders::lift(&ledger, order, act)?;
            vault::warn_of_unwritten_notes(&ledger);
            Ok(out.answer(&OrderLifted { order: Id::of(order), lifted: Day(act.at) }, |out| {
                writeln!(out, "The order is lifted.")
            })?)
        }
        None => {
            let until = args.until.as_deref().map(day).transpose()?;
            let reason = args.reason.clone().unwrap_or_default();
            let ledger = vault::open(flags)?;
            let scope = match (&args.collection, &args.jurisdiction) {
                (Some(name), _) => Scope::Collection(vault::collection(&ledger, name)?.id),
                (None, Some(code)) => Scope::Jurisdiction(code.clone()),
                (None, None) => Scope::Vault,
            };
            let order = orders::stop(&ledger, &scope, &reason, until, act())?;
            vault::warn_of_unwritten_notes(&ledger);
            let place = args.jurisdiction.as_ref().map(|code| format!("everything under {code}"));
            let what = args.collection.as_deref().or(place.as_deref()).unwrap_or("the whole vault");
            Ok(out.answer(&OrderGiven { order: Id::of(order), scope: what.to_owned() }, |out| {
                let place = args.jurisdiction.as_ref().map_or(format!("in {what}"), |code| format!("under {code}"));
                writeln!(out, "Stopped: nothing is scanned, searched or enrolled {place}.")?;
                writeln!(
                    out,
                    "Access, withdrawal and erasure go on. Lift it with: assent freeze lift {}",
                    vault::short(&order)
                )
            })?)
        }
    }
}
