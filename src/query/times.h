// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/str.h"

/*
 * Times and durations as people and programs write them in a query.
 */
enum { TIME_BAD = 1 };

/*
 * A moment, in nanoseconds since the epoch:
 *   - RFC 3339: 2026-11-21T08:02:03.5Z, with any offset; also with a space for the T, without
 *     seconds, without a zone (UTC), or the day alone. A space before hh:mm at the end is a plus
 *     sign that a query string lost.
 *   - a Unix time with or without fraction; the unit (s, ms, µs, ns) is told by the size: below
 * 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
 *   - now, now-15m, now+1h, -15m, -1h30m: from @now_ns.
 * Moments before 1970 or beyond 2554 become 0 and UINT64_MAX: people write them for "all".
 * Returns 0, or TIME_BAD with the offset and what is wrong.
 */
MUST_USE int time_parse(Str text, uint64_t now_ns, uint64_t *ret_ns, ParseError *ret_error);

/*
 * A duration in nanoseconds: numbers with units ns us µs ms s m h d w, one after the other: 1.5s,
 * 100ms, 1h30m. Also a plain number, as seconds, when @plain_seconds. Returns 0 or TIME_BAD.
 */
MUST_USE int duration_parse(Str text, bool plain_seconds, uint64_t *ret_ns, ParseError *ret_error);

/*
 * The duration at the front of @text, and how long it is; what follows is the caller's. Returns 0,
 * or TIME_BAD when @text does not begin with a number and a unit.
 */
MUST_USE int duration_take(Str text, uint64_t *ret_ns, size_t *ret_len);
