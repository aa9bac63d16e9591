//! What is certain between the transactions of a dialog.

use super::{chain, holds};

#[test]
fn legs_of_a_server_with_one_call_id_and_from_tag_keep_their_own_order() {
    let legs = "A>S INVITE 20 INVITE i a:
        S>A 100 20 INVITE i a:
        S>B INVITE 1 INVITE j a:
        B>S 180 1 INVITE j a:b
        S>A 180 20 INVITE i a:s
        B>S 200 1 INVITE j a:b
        S>B ACK 1 ACK k a:b
        S>A 200 20 INVITE i a:s
        A>S ACK 20 ACK l a:s";
    let pairs = [(0, 1), (1, 4), (4, 7), (7, 8), (2, 3), (3, 5), (5, 6)];
    holds(legs, &pairs);
    holds(&legs.replace('B', "A:2").replace("S>A ", "A:3>A ").replace("A>S", "A>A:3").replace('S', "A:3"), &pairs);
    // The caller's host is the callee's, and the server keeps CSeq and both tags.
    holds(&legs.replace('B', "A:2"), &pairs);
    let transparent = legs.replace(" 20 ", " 1 ").replace("a:s", "a:b");
    holds(&transparent, &pairs);
    holds(&[" i ", " j ", " k ", " l "].iter().fold(transparent, |legs, branch| legs.replace(branch, " - ")), &pairs);
}

#[test]
fn a_reliable_reply_comes_before_what_acknowledges_it() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 183 1 INVITE i a:b RSeq: 5
        A>P PRACK 2 PRACK p a:b RAck: 5 1 INVITE
        P>A 200 2 PRACK p a:b
        P>A 180 1 INVITE i a:b RSeq: 6
        A>P PRACK 3 PRACK q a:b RAck: 6 1 INVITE
        P>A 200 3 PRACK q a:b
        A>P UPDATE 4 UPDATE u a:b
        P>A 200 4 UPDATE u a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b",
        &[(0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (2, 5), (5, 6), (5, 7), (7, 8), (4, 9), (9, 10)],
    );
}

#[test]
fn a_prack_that_goes_straight_to_the_callee_waits_for_the_reply_at_the_caller() {
    holds(
        "A:40000>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 183 1 INVITE i2,i a:b RSeq: 1
        P>A 183 1 INVITE i a:b RSeq: 1
        B>P 180 1 INVITE i2,i a:b
        P>A 180 1 INVITE i a:b
        A:40000>B PRACK 2 PRACK p a:b RAck: 1 1 INVITE
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        B>A 200 2 PRACK p a:b",
        &[(0, 1), (1, 2), (2, 3), (3, 6), (6, 9), (4, 5), (7, 8)],
    );
}

#[test]
fn the_callee_ends_the_call_behind_all_acks() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        A>B ACK 1 ACK k a:b
        A>B INVITE 2 INVITE r a:b
        B>A 200 2 INVITE r a:b
        A>B ACK 2 ACK s a:b
        B>A BYE 1 BYE z b:a
        A>B 200 1 BYE z b:a",
        &chain(9),
    );
}

#[test]
fn a_bye_of_the_callee_waits_for_the_answer_and_its_ack() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>B ACK 1 ACK k a:b
        B>A BYE 1 BYE y b:a
        A>B 200 1 BYE y b:a",
        &chain(7),
    );
    // No ACK was captured.
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        B>A BYE 1 BYE y b:a",
        &chain(4),
    );
}

#[test]
fn a_bye_overtakes_the_ack_on_its_way() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        A>P BYE 2 BYE y a:b
        P>B ACK 1 ACK k2,k a:b
        P>B BYE 2 BYE y2,y a:b
        B>P 200 2 BYE y2,y a:b
        P>A 200 2 BYE y a:b",
        &[(0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (4, 6), (5, 7), (7, 8), (8, 9)],
    );
}

#[test]
fn a_bye_of_the_caller_can_come_before_the_answer() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        A>B BYE 2 BYE y a:b
        B>A 200 1 INVITE i a:b
        A>B ACK 1 ACK k a:b
        B>A 200 2 BYE y a:b",
        &[(0, 1), (0, 2), (1, 3), (3, 4), (2, 5)],
    );
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        A>B BYE 2 BYE y a:b
        B>A 200 2 BYE y a:b
        B>A 487 1 INVITE i a:b
        A>B ACK 1 ACK i a:b",
        &[(0, 1), (0, 2), (2, 3), (1, 4), (4, 5)],
    );
}

#[test]
fn an_invite_of_the_callee_comes_behind_the_answer_and_what_may_cross_it_stays() {
    let relayed = "A>P INVITE 9 INVITE i a:
        P>B INVITE 9 INVITE i2,i a:
        B>P 183 9 INVITE i2,i a:b
        B>P UPDATE 1 UPDATE u b:a
        P>A 183 9 INVITE i a:b
        P>A UPDATE 1 UPDATE u2,u b:a
        A>P 200 1 UPDATE u2,u b:a
        P>B 200 1 UPDATE u b:a
        B>P 200 9 INVITE i2,i a:b
        P>A 200 9 INVITE i a:b
        A>P ACK 9 ACK k a:b
        B>P INVITE 2 INVITE r b:a
        P>A INVITE 2 INVITE r2,r b:a
        A>P 200 2 INVITE r2,r b:a
        P>B 200 2 INVITE r b:a
        B>P ACK 2 ACK s b:a";
    holds(
        relayed,
        &[
            &[(0, 1), (1, 2), (2, 4), (3, 5), (5, 6), (6, 7), (2, 8), (4, 9), (8, 9), (9, 10)][..],
            &[(8, 11), (9, 12), (3, 11), (11, 12), (12, 13), (13, 14), (14, 15)],
        ]
        .concat(),
    );
    let ringing = "A>B INVITE 9 INVITE i a:
        B>A 180 9 INVITE i a:b
        B>A INFO 1 INFO n b:a
        A>B INFO 10 INFO m a:b
        B>A 183 9 INVITE i a:b
        B>A INFO 2 INFO o b:a
        B>A 200 9 INVITE i a:b";
    holds(ringing, &[(0, 1), (0, 3), (2, 5), (1, 6), (4, 6)]);
    let unseen = "A>B INVITE 9 INVITE i a:
        A>B INFO 10 INFO m a:b
        B>A 200 10 INFO m a:b
        B>A 200 9 INVITE i a:b
        A>B ACK 9 ACK k a:b";
    holds(unseen, &[(0, 1), (1, 2), (0, 3), (3, 4)]);
    let direct = "A>B INVITE 9 INVITE i a:
        B>A 200 9 INVITE i a:b
        B>A INFO 1 INFO n b:a
        A>B 200 1 INFO n b:a
        A>B ACK 9 ACK k a:b";
    holds(direct, &[(0, 1), (2, 3), (1, 4)]);
}

#[test]
fn an_answer_to_a_later_invite_holds_back_no_request_of_the_other_side() {
    holds(
        "B>A INVITE 1 INVITE r b:a
        A>B 200 1 INVITE r b:a
        B>A ACK 1 ACK s b:a
        A>B INVITE 2 INVITE j a:b
        B>A 200 2 INVITE j a:b
        A>B ACK 2 ACK k a:b
        B>A INFO 2 INFO n b:a",
        &[(0, 1), (1, 2), (3, 4), (4, 5), (0, 6)],
    );
}

#[test]
fn an_invite_that_goes_straight_to_the_callee_comes_behind_the_first_one_at_all_hops() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>B INVITE 2 INVITE r a:b
        B>A 200 2 INVITE r a:b",
        &chain(6),
    );
}

#[test]
fn requests_of_both_sides_that_cross_stay_as_they_were() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        A>B CANCEL 1 CANCEL i a:
        B>A 200 1 INVITE i a:b
        A>B ACK 1 ACK k a:b
        B>A 200 1 CANCEL i a:b
        A>B INVITE 2 INVITE r a:b
        B>A INVITE 1 INVITE s b:a
        B>A 491 2 INVITE r a:b
        A>B 491 1 INVITE s b:a
        B>A ACK 1 ACK s b:a
        A>B ACK 2 ACK r a:b
        A>B INVITE 3 INVITE t a:b
        B>A 200 3 INVITE t a:b
        A>B ACK 3 ACK u a:b
        A>B REFER 4 REFER v a:b
        B>A NOTIFY 2 NOTIFY n b:a
        B>A 202 4 REFER v a:b
        A>B 200 2 NOTIFY n b:a
        B>A BYE 3 BYE y b:a
        A>B BYE 5 BYE z a:b
        A>B 200 3 BYE y b:a
        B>A 200 5 BYE z a:b",
        &[
            &[
                (0, 1),
                (1, 3),
                (0, 2),
                (2, 5),
                (3, 4),
                (3, 6),
                (3, 7),
                (6, 8),
                (8, 11),
                (7, 9),
                (9, 10),
                (11, 12),
                (12, 13),
            ][..],
            &[(13, 14), (12, 15), (15, 17), (7, 16), (16, 18), (14, 19), (12, 20), (16, 19), (19, 21), (20, 22)],
        ]
        .concat(),
    );
}
