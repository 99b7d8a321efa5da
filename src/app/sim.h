// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * The simulated shop: what `weft demo` shows and `weft loadgen` sends. A pure function of its
 * options and of time: the same second gives the same spans, byte for byte, in whatever order
 * seconds are asked for.
 *
 * Twelve services (web, gateway, checkout, cart, payment, inventory, shipping, mail, search,
 * recommendation, fraud, accounting), PostgreSQL tables, Redis, two Kafka topics whose consumers
 * link across traces, the card network stripe, business flows (checkout.place_order with retries,
 * account.sign_up, accounting.nightly_reconciliation), a daily rhythm, a deploy that adds an edge
 * (payment calls fraud) and an incident (stripe answers 429). Two things are instrumented wrongly,
 * for contract health to find: recommendation does not say whom it fetches features from, and cart
 * names a step of no flow.
 */
typedef struct SimOptions {
    uint64_t seed;
    double rate;        /* spans a second, averaged over a day */
    uint64_t deploy_ns; /* from then on payment is v2.3.0 and calls fraud; 0: always */
    uint64_t incident_from_ns, incident_to_ns; /* stripe fails; equal: never */
} SimOptions;

enum { SIM_RATE_MAX = 1000000 }; /* spans a second */

/*
 * Yields the spans of all transactions that start in the second @second (since the epoch), traces
 * whole, grouped by trace, in @arena. Consumers of a message may run some seconds later than
 * @second.
 */
void sim_second(const SimOptions *options, uint64_t second, Arena *arena, Span **ret_spans,
                size_t *ret_n);
