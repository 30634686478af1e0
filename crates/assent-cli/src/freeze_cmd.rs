//! `assent freeze`: an order to stop, at once, also for what is running.

use assent::ledger::{Collection, Jurisdiction, Order, Scope};
use assent::service::orders;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::output::{Output, date, day};
use crate::vault::{self, VaultFlags, act, collection_name, now};

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
            let objects: Vec<Value> = orders.iter().map(|order| describe(order, &collections)).collect();
            Ok(out.answer(&json!({ "orders": objects }), |out| {
                for object in &objects {
                    let words = ["state", "scope", "from", "until", "reason"];
                    let line: Vec<&str> = words.iter().map(|key| object[key].as_str().unwrap_or("-")).collect();
                    writeln!(out, "{}\t{}", vault::short(&object["order"].as_str().unwrap_or("-")), line.join("\t"))?;
                }
                if objects.is_empty() { writeln!(out, "No order was ever given.") } else { Ok(()) }
            })?)
        }
        Some(FreezeCommand::Lift { order }) => {
            let ledger = vault::open(flags)?;
            let order = vault::order(&ledger, order)?;
            orders::lift(&ledger, order, act())?;
            vault::warn_of_unwritten_notes(&ledger);
            Ok(out.answer(&json!({ "lifted": order.to_string() }), |out| writeln!(out, "The order is lifted."))?)
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
            Ok(out.answer(&json!({ "order": order.to_string(), "scope": what }), |out| {
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

fn describe(order: &Order, collections: &[Collection]) -> Value {
    let state = match order.lifted {
        Some(_) => "lifted",
        None if order.in_force(now()) => "in force",
        None => "over",
    };
    let scope = match (order.collection, &order.jurisdiction) {
        (Some(id), _) => collection_name(collections, id).to_owned(),
        (None, Some(code)) => format!("everything under {code}"),
        (None, None) => "the whole vault".to_owned(),
    };
    json!({
        "order": order.id.to_string(), "state": state, "scope": scope,
        "from": date(order.from), "until": order.until.map(date), "lifted": order.lifted.map(date), "reason": order.reason,
    })
}
