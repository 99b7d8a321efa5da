// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli.h"

/* What serve and demo share: signals and waiting for them. */

/* From now on SIGTERM and SIGINT end serving_wait(); a second one leaves the process at once.
 * SIGPIPE is ignored. */
void serving_catch_signals(void);

/* Waits for a signal, or for @timeout_ms (0: no end). Returns whether a signal came. */
bool serving_wait(uint64_t timeout_ms);

/* Whether a signal came already. */
bool serving_ended(void);

/* Reads --ports. Returns 0, or EXIT_USAGE, which was told. */
MUST_USE int serving_ports_option(const Arguments *arguments, bool *ret_any);
