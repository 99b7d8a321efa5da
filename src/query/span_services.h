// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * The service of each span of a trace, CONTRACT.md §1: the span's own service.name, else the
 * resource's, else `unknown_service`; with adoption: a resource without a name of its own (or with
 * one that begins with unknown_service) takes the one span-level name that its spans carry.
 *
 * Returns @n_spans names in @arena; equal names need not be the same pointer.
 */
Str *span_services(const Span *spans, size_t n_spans, Arena *arena);
