// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/*
 * What the questions to the map have in common: their windows, filters and steps, read from the
 * call's parameters. Each returns 0, or API_FAILED after api_fail().
 */

/* The window of a map: from and to, or at and window; without any the last hour. Windows are
 * widened (map_widen()); call->widened then says so. */
MUST_USE int api_map_window(ApiCall *call, uint32_t *ret_from_minute, uint32_t *ret_to_minute);

/* Two windows, each from and to: a_from, a_to, b_from, b_to, or a_at, b_at and window. b is the
 * last hour when it is not given; a is as long as b and ends where b begins. */
MUST_USE int map_question_two_windows(ApiCall *call, uint32_t ret_a[2], uint32_t ret_b[2]);

/* scope, environment, namespace, type, focus and hops, flow, resolve. Overwrites @question, but for
 * its window. */
MUST_USE int map_question_filters(ApiCall *call, MapQuestion *question);

/* Waits for what was acknowledged before the call came; with wait=true also until it is on the map.
 */
MUST_USE int map_question_wait(ApiCall *call);

/* `step` in whole minutes; without it as few points as fill a screen. Widened with the window. */
MUST_USE int map_question_step(ApiCall *call, uint32_t *from_minute, uint32_t *to_minute,
                               uint32_t *ret_step);

/* Fails: nothing in the window has the id @id. */
MUST_USE int map_question_no_node(ApiCall *call, Str id);
