// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * Resources and scopes of formats that say them span by span: spans that say the same share one
 * struct, as far as a few recent ones are remembered. `{0}` is empty; everything lives in the arena
 * that the calls are given.
 */
enum { ORIGINS_MAX = 32 };

typedef struct Origins {
    const Resource *resources[ORIGINS_MAX];
    const Scope *scopes[ORIGINS_MAX];
    size_t n_resources, n_scopes; /* ever made */
} Origins;

/* A resource that has only service.name; none when @service is empty. */
const Resource *origins_resource(Origins *origins, Arena *arena, Str service);

/* A scope of this name and version. */
const Scope *origins_scope(Origins *origins, Arena *arena, Str name, Str version);
