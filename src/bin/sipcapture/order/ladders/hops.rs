//! What is certain between the hops of a transaction, and what a proxy may do by itself.

use super::{chain, holds};

#[test]
fn hops_follow_one_another() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 100 1 INVITE i2,i a:
        B>P 180 1 INVITE i2,i a:b
        P>A 180 1 INVITE i a:b
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        P>B ACK 1 ACK k2,k a:b
        A>P BYE 2 BYE y a:b
        P>B BYE 2 BYE y2,y a:b
        B>P 200 2 BYE y2,y a:b
        P>A 200 2 BYE y a:b",
        &[
            &[(0, 1), (0, 2), (2, 3), (3, 4), (1, 5), (4, 5), (4, 6), (5, 7), (6, 7), (7, 8), (8, 9)][..],
            &[(0, 10), (10, 11), (11, 12), (12, 13)],
        ]
        .concat(),
    );
}

#[test]
fn a_constant_branch_and_one_that_is_used_again_tell_hops_apart_by_their_depth() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        P>B ACK 1 ACK z9hG4bKcydzigwkX,k a:b
        A>P INVITE 2 INVITE j a:b
        P>B INVITE 2 INVITE j2,j a:b
        B>P 200 2 INVITE j2,j a:b
        P>A 200 2 INVITE j a:b
        A>P ACK 2 ACK j a:b
        P>B ACK 2 ACK z9hG4bKcydzigwkX,j a:b
        A>P BYE 3 BYE 0 a:b
        P>B BYE 3 BYE 0,0 a:b
        B>P 200 3 BYE 0,0 a:b
        P>A 200 3 BYE 0 a:b",
        &[
            &chain(5)[..],
            &[(4, 5), (3, 6), (4, 6)],
            &[(6, 7), (7, 8), (8, 9), (9, 10), (10, 11)],
            &[(6, 12), (7, 13)],
            &chain(16)[12..],
        ]
        .concat(),
    );
}

#[test]
fn a_cancelled_call_ends_behind_its_cancel() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 180 1 INVITE i2,i a:b
        P>A 180 1 INVITE i a:b
        A>P CANCEL 1 CANCEL i a:
        P>A 200 1 CANCEL i a:p
        P>B CANCEL 1 CANCEL i2 a:
        B>P 200 1 CANCEL i2 a:b
        B>P 487 1 INVITE i2,i a:b
        P>B ACK 1 ACK i2 a:b
        P>A 487 1 INVITE i a:b
        A>P ACK 1 ACK i a:b",
        &[(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (1, 6), (6, 7), (6, 8), (8, 9), (4, 10), (8, 10), (10, 11)],
    );
}

#[test]
fn a_cancel_of_the_proxy_can_come_before_that_of_the_caller() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE b1,i a:
        P>C INVITE 1 INVITE c1,i a:
        B>P 180 1 INVITE b1,i a:b
        P>A 180 1 INVITE i a:b
        C>P 200 1 INVITE c1,i a:c
        P>B CANCEL 1 CANCEL b1 a:
        A>P CANCEL 1 CANCEL i a:
        P>A 200 1 INVITE i a:c
        P>A 200 1 CANCEL i a:p
        A>P ACK 1 ACK k a:c",
        &[(0, 1), (0, 2), (1, 3), (3, 4), (2, 5), (5, 8), (1, 6), (0, 7), (7, 9), (4, 8), (8, 10)],
    );
}

#[test]
fn replies_that_a_proxy_receives_before_it_passes_the_first_on_stay_as_they_were() {
    let answered = "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 183 1 INVITE i2,i a:b
        B>P 200 1 INVITE i2,i a:b
        P>A 183 1 INVITE i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        P>B ACK 1 ACK k2,k a:b";
    let pairs = [(0, 1), (0, 2), (2, 3), (3, 4), (3, 5), (1, 5), (5, 6), (4, 6), (6, 7), (7, 8)];
    holds(answered, &pairs);
    let refused = "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 180 1 INVITE i2,i a:b
        B>P 486 1 INVITE i2,i a:b
        P>B ACK 1 ACK i2 a:b
        P>A 180 1 INVITE i a:b
        P>A 486 1 INVITE i a:b
        A>P ACK 1 ACK i a:b";
    holds(refused, &[(0, 1), (1, 2), (2, 3), (3, 4), (2, 5), (5, 6), (3, 6), (6, 7)]);
    let two_callees = "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE b1,i a:
        P>C INVITE 1 INVITE c1,i a:
        B>P 180 1 INVITE b1,i a:b
        C>P 200 1 INVITE c1,i a:c
        P>A 180 1 INVITE i a:b
        P>A 200 1 INVITE i a:c
        A>P ACK 1 ACK k a:c";
    holds(two_callees, &[(0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (5, 6), (4, 6), (6, 7)]);
    // What the caller's agent sees of a 100 can be behind what the callee's has seen.
    let distant = "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 180 1 INVITE i2,i a:b
        P>A 100 1 INVITE i a:
        P>A 180 1 INVITE i a:b";
    holds(distant, &[(0, 1), (1, 2), (0, 3), (3, 4), (2, 4)]);
}

#[test]
fn a_proxy_that_answers_a_challenge_by_itself_raises_cseq_and_nothing_else() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 401 1 INVITE i2,i a:x
        P>B ACK 1 ACK i2 a:x
        P>B INVITE 2 INVITE i3,i a:
        B>P 180 2 INVITE i3,i a:b
        P>A 180 1 INVITE i a:b
        B>P 200 2 INVITE i3,i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        P>B ACK 2 ACK k2,k a:b",
        &[(0, 1), (0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 8), (8, 11), (1, 7), (7, 9), (9, 10)],
    );
}

#[test]
fn another_callee_is_tried_behind_what_is_certain_of_the_first() {
    let tried = "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 183 1 INVITE i2,i a:b RSeq: 1
        P>A 183 1 INVITE i a:b RSeq: 1
        A>P PRACK 2 PRACK p a:b RAck: 1 1 INVITE
        P>B PRACK 2 PRACK p2,p a:b RAck: 1 1 INVITE
        B>P 200 2 PRACK p2,p a:b
        P>A 200 2 PRACK p a:b
        B>P 486 1 INVITE i2,i a:b
        P>B ACK 1 ACK i2 a:b
        P>A 181 1 INVITE i a:
        P>C INVITE 1 INVITE i3,i a:
        C>P 200 1 INVITE i3,i a:c
        P>A 200 1 INVITE i a:c
        A>P ACK 1 ACK k a:c
        P>C ACK 1 ACK k2,k a:c";
    let of_first = [(0, 1), (0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (3, 9), (9, 10), (1, 11)];
    let of_second = [(0, 12), (12, 13), (11, 14), (13, 14), (14, 15), (15, 16)];
    holds(tried, &[&of_first[..], &of_second].concat());
    // A refusal without a To tag.
    holds(&tried.replace("486 1 INVITE i2,i a:b", "486 1 INVITE i2,i a:"), &[&of_first[..], &of_second].concat());
}

#[test]
fn a_proxy_that_asks_two_callees_at_once_cancels_the_slower_one() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE b1,i a:
        P>C INVITE 1 INVITE c1,i a:
        B>P 100 1 INVITE b1,i a:
        B>P 180 1 INVITE b1,i a:b
        P>A 180 1 INVITE i a:b
        C>P 180 1 INVITE c1,i a:c
        P>A 180 1 INVITE i a:c
        C>P 200 1 INVITE c1,i a:c
        P>A 200 1 INVITE i a:c
        P>B CANCEL 1 CANCEL b1 a:
        B>P 200 1 CANCEL b1 a:b
        A>P ACK 1 ACK k a:c
        B>P 487 1 INVITE b1,i a:b
        P>B ACK 1 ACK b1 a:b
        P>C ACK 1 ACK k2,k a:c",
        &[
            &[
                (0, 1),
                (0, 2),
                (0, 3),
                (2, 4),
                (4, 5),
                (5, 6),
                (1, 6),
                (3, 7),
                (7, 8),
                (7, 9),
                (6, 10),
                (8, 10),
                (9, 10),
            ][..],
            &[(4, 11), (11, 12), (10, 13), (11, 14), (14, 15), (13, 16)],
        ]
        .concat(),
    );
}

#[test]
fn a_redirected_call_goes_on_behind_the_redirection() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 302 1 INVITE i2,i a:b
        P>B ACK 1 ACK i2 a:b
        P>C INVITE 1 INVITE i3,i a:
        P>A 100 1 INVITE i a:
        C>P 200 1 INVITE i3,i a:c
        P>A 200 1 INVITE i a:c
        A>C ACK 1 ACK k a:c
        C>A BYE 1 BYE y c:a
        A>C 200 1 BYE y c:a",
        &[(0, 1), (1, 2), (2, 3), (0, 4), (4, 6), (5, 7), (6, 7), (7, 8), (8, 9), (9, 10)],
    );
}
