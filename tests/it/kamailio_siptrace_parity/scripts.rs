//! What scripts trace: messages, transactions and dialogs, in every form, with rows and without.

use super::setups::Form::{Hep, Plain};
use super::setups::Setup;

compare! {
    messages_as_hep_1: Setup::messages(Hep(1), false);
    messages_as_hep_1_and_rows: Setup::messages(Hep(1), true);
    messages_as_hep_2: Setup::messages(Hep(2), false);
    messages_as_hep_2_and_rows: Setup::messages(Hep(2), true);
    messages_as_hep_3: Setup::messages(Hep(3), false);
    messages_as_hep_3_and_rows: Setup::messages(Hep(3), true);
    messages_as_plain_copies: Setup::messages(Plain, false);
    messages_as_plain_copies_and_rows: Setup::messages(Plain, true);

    transactions_as_hep_1: Setup::transactions(Hep(1), false);
    transactions_as_hep_1_and_rows: Setup::transactions(Hep(1), true);
    transactions_as_hep_2: Setup::transactions(Hep(2), false);
    transactions_as_hep_2_and_rows: Setup::transactions(Hep(2), true);
    transactions_as_hep_3: Setup::transactions(Hep(3), false);
    transactions_as_hep_3_and_rows: Setup::transactions(Hep(3), true).timed();
    transactions_as_plain_copies: Setup::transactions(Plain, false);
    transactions_as_plain_copies_and_rows: Setup::transactions(Plain, true);

    dialogs_as_hep_1: Setup::dialogs(Hep(1), false);
    dialogs_as_hep_1_and_rows: Setup::dialogs(Hep(1), true);
    dialogs_as_hep_2: Setup::dialogs(Hep(2), false);
    dialogs_as_hep_2_and_rows: Setup::dialogs(Hep(2), true);
    dialogs_as_hep_3: Setup::dialogs(Hep(3), false);
    dialogs_as_hep_3_and_rows: Setup::dialogs(Hep(3), true).timed();
    dialogs_as_plain_copies: Setup::dialogs(Plain, false);
    dialogs_as_plain_copies_and_rows: Setup::dialogs(Plain, true);
    dialogs_with_their_acks: Setup::dialogs(Hep(3), true).ours("trace_dialog_ack", 1);
}
