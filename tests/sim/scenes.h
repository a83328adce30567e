/* Fixed scenes of payments that seeds meet too seldom to rely on. Each is a test of cmocka; a wrong
 * amount aborts as in a seed. */
#pragma once

void a_request_is_paid_once_whichever_call_is_the_last(void **state);
void a_request_that_cannot_bear_its_fee_delays_nothing(void **state);
void a_coin_of_a_payment_that_waits_goes_into_no_other(void **state);
void what_a_refused_version_locked_pays_the_next_account(void **state);
void a_payment_that_another_settled_is_not_reopened(void **state);
void what_another_gives_back_is_not_called_paid(void **state);
