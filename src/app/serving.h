// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli.h"
#include "app/settings.h"

/* What commands share that have a house: their settings, signals and waiting for them. */

/* From now on SIGTERM and SIGINT end serving_wait(); a second one leaves the process at once.
 * SIGHUP is for serving_wait_reloading(). SIGPIPE is ignored. */
void serving_catch_signals(void);

/* As serving_wait(0), and calls @reload(@context) for every SIGHUP, on this thread. Without a call
 * of this SIGHUP is taken note of and means nothing: a server does not die of a closed terminal. */
void serving_wait_reloading(bool (*reload)(void *context), void *context);

/* Waits for a signal, or for @timeout_ms (0: no end). Returns whether a signal came. */
bool serving_wait(uint64_t timeout_ms);

/* Whether a signal came already. */
bool serving_ended(void);

/* Reads --ports. Returns 0, or EXIT_USAGE, which was told. */
MUST_USE int serving_ports_option(const Arguments *arguments, bool *ret_any);

/* Reads --config and --set, in their order, over @settings. Returns 0; 1 with a sentence in @why.
 */
MUST_USE int serving_settings(const Arguments *arguments, Settings *settings, Buf *why);

/* Removes a temporary directory with all that is in it. */
void serving_remove_directory(const char *directory);
