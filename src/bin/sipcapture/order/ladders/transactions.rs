//! What is certain within a transaction, and between it and the next one like it.

use super::{CHAIN, chain, holds, stays};

#[test]
fn a_call_between_two_hosts_has_one_order() {
    holds(CHAIN, &chain(7));
}

#[test]
fn a_call_on_one_host_has_one_order() {
    let text = CHAIN.replace("A>B", "A:1>A:2").replace("B>A", "A:2>A:1");
    holds(&text, &chain(7));
}

#[test]
fn a_call_with_a_host_that_answers_from_another_address_has_one_order() {
    holds(&CHAIN.replace("B>A", "C>A"), &[(0, 1), (1, 2), (2, 3), (3, 4), (3, 5), (5, 6)]);
}

#[test]
fn a_call_whose_sides_receive_at_another_port_than_they_send_from_has_one_order() {
    let text = CHAIN.replace("A>B", "A:40000>B").replace("B>A", "B:50000>A");
    holds(&text, &chain(7));
}

#[test]
fn a_cancel_that_crosses_the_answer_or_another_provisional_reply_stays_where_it_was() {
    let crossed = "A>B INVITE 1 INVITE i a:
        B>A 100 1 INVITE i a:
        A>B CANCEL 1 CANCEL i a:
        B>A 180 1 INVITE i a:b
        B>A 487 1 INVITE i a:b
        B>A 200 1 CANCEL i a:b
        A>B ACK 1 ACK i a:b";
    holds(crossed, &[(0, 1), (1, 2), (2, 4), (2, 5), (3, 4), (4, 6)]);
    let answered = "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        A>B CANCEL 1 CANCEL i a:
        B>A 481 1 CANCEL i a:
        A>B ACK 1 ACK k a:b";
    holds(answered, &[(0, 1), (1, 2), (0, 3), (3, 4), (2, 5)]);
    let refused = "A>B INVITE 1 INVITE i a:
        B>A 100 1 INVITE i a:
        B>A 486 1 INVITE i a:b
        A>B CANCEL 1 CANCEL i a:
        A>B ACK 1 ACK i a:b
        B>A 481 1 CANCEL i a:";
    holds(refused, &[(0, 1), (1, 2), (1, 3), (2, 4), (3, 5)]);
    let again = "A>B INVITE 1 INVITE i a:
        A>B CANCEL 1 CANCEL i a:
        B>A 487 1 INVITE i a:b
        A>B ACK 1 ACK i a:b
        A>B INVITE 2 INVITE j a:
        B>A 200 1 CANCEL i a:b";
    holds(again, &[(0, 1), (1, 2), (2, 3), (3, 4), (1, 5)]);
}

#[test]
fn a_challenged_invite_is_sent_again_behind_its_challenge() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 407 1 INVITE i a:p
        A>P ACK 1 ACK i a:p
        A>P INVITE 2 INVITE j a:
        P>A 100 2 INVITE j a:
        P>A 486 2 INVITE j a:b
        A>P ACK 2 ACK j a:b",
        &chain(7),
    );
}

#[test]
fn another_callee_answers_behind_the_next_invite() {
    let answered_late = "A>P INVITE 1 INVITE i a:
        P>A 180 1 INVITE i a:c
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        A>P INVITE 2 INVITE j a:b
        P>A 200 1 INVITE i a:c
        A>P ACK 1 ACK l a:c
        P>A 200 2 INVITE j a:b
        A>P ACK 2 ACK m a:b";
    holds(answered_late, &[(0, 1), (0, 2), (2, 3), (2, 4), (3, 4), (1, 5), (5, 6), (4, 7), (7, 8)]);
    // Two phones behind one address.
    let refused_late = "P>N:1001 INVITE 1 INVITE b1,i a:
        P>N:1002 INVITE 1 INVITE c1,i a:
        N:1002>P 180 1 INVITE c1,i a:c
        N:1001>P 200 1 INVITE b1,i a:b
        P>N:1002 CANCEL 1 CANCEL c1 a:
        P>N:1001 ACK 1 ACK k2,k a:b
        P>N:1001 INVITE 2 INVITE j2,j a:b
        N:1002>P 200 1 CANCEL c1 a:c
        N:1002>P 487 1 INVITE c1,i a:c
        P>N:1002 ACK 1 ACK c1 a:c
        N:1001>P 200 2 INVITE j2,j a:b";
    holds(refused_late, &[(0, 3), (3, 5), (3, 6), (5, 6), (6, 10), (1, 2), (1, 4), (4, 7), (4, 8), (2, 8), (8, 9)]);
}

#[test]
fn requests_other_than_invite_can_overlap() {
    holds(
        "A>B INFO 3 INFO n a:b
        A>B INFO 4 INFO o a:b
        B>A 200 3 INFO n a:b
        B>A 200 4 INFO o a:b",
        &[(0, 1), (0, 2), (1, 3)],
    );
}

#[test]
fn a_registration_is_sent_again_behind_its_challenge() {
    holds(
        "A>P REGISTER 1 REGISTER r a:
        P>B REGISTER 1 REGISTER r2,r a:
        B>P 401 1 REGISTER r2,r a:x
        P>A 401 1 REGISTER r a:x
        A>P REGISTER 2 REGISTER s a:
        P>B REGISTER 2 REGISTER s2,s a:
        B>P 200 2 REGISTER s2,s a:y
        P>A 200 2 REGISTER s a:y",
        &chain(8),
    );
}

#[test]
fn messages_without_a_branch_are_told_apart_by_their_hosts() {
    holds(
        "A:40000>P INVITE 1 INVITE - a:
        P>A 180 1 INVITE - a:b
        P>A 486 1 INVITE - a:b
        A:40000>P ACK 1 ACK - a:b
        A:40000>P INVITE 2 INVITE - a:
        P>A 180 2 INVITE - a:c
        P>A 200 2 INVITE - a:c
        A:40000>P ACK 2 ACK - a:c",
        &chain(8),
    );
}

#[test]
fn an_ack_with_a_new_branch_stays_behind_nothing_but_an_answer() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        A>B ACK 1 ACK i a:b",
        &chain(4),
    );
}

#[test]
fn what_is_sent_again_stays_where_it_was() {
    stays(
        "A>B INVITE 1 INVITE i a:
        A>B INVITE 1 INVITE i a: X: again
        B>A 180 1 INVITE i a:b
        A>B INVITE 1 INVITE i a: X: again
        B>A 180 1 INVITE i a:b X: again
        B>A 200 1 INVITE i a:b
        B>A 200 1 INVITE i a:b X: again
        A>B ACK 1 ACK k a:b
        B>A 200 1 INVITE i a:b X: again
        A>B ACK 1 ACK k a:b X: again
        A>B BYE 2 BYE y a:b
        A>B BYE 2 BYE y a:b X: again
        B>A 200 2 BYE y a:b",
    );
}
