// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "base/map.h"
#include "serve/api/saved.h"

/* The inside of Saved, for saved.c, api_mappings.c and api_positions.c only. */
struct Saved {
    Desk *desk;
    Map *map;
    Arena arena; /* of the configured mappings */
    Mapping *configured;
    size_t n_configured;
    FlowDefinition *configured_flows;
    size_t n_configured_flows;
    pthread_mutex_t saving; /* from saving to using: what was saved last is what is used. First */
    pthread_mutex_t lock;   /* the rest */
    Table positions;
    uint64_t positions_version;
};

#define SAVED_MAPPINGS STR("mapping")
#define SAVED_POSITIONS STR("position")
#define SAVED_FLOWS STR("flow")

/* The request's body as a JSON object for @reader, entered already. Returns 0 or API_FAILED. */
MUST_USE int saved_body_open(ApiCall *call, JsonReader *reader);

/* Fails: the body is none that can be saved. */
MUST_USE int saved_body_bad(ApiCall *call, const JsonReader *reader);

/* What a failed desk means for a call. */
MUST_USE int saved_failed(ApiCall *call, int result);

/* Mappings of the configuration and then @own, given to the map. Returns 0; 1 as mappings_new(),
 * with the index in @own in @ret_bad. */
MUST_USE int saved_use_mappings(Saved *saved, const Mapping *own, size_t n, size_t *ret_bad,
                                ParseError *ret_error);

/* The same as an object of its own. */
MUST_USE int saved_make_mappings(const Saved *saved, const Mapping *own, size_t n,
                                 Mappings **ret_mappings, size_t *ret_bad, ParseError *ret_error);

/* Reads the desk's mappings into the arena. */
MUST_USE int saved_read_mappings(Saved *saved, Arena *arena, Mapping **ret_items, size_t *ret_n,
                                 uint64_t *ret_version);

/* Reads {"pattern","type","name"}, whatever else is in it; 1 when it is none. *@ret_skip: it is one
 * of the configuration's. */
MUST_USE int saved_mapping_read(JsonReader *reader, Mapping *ret_mapping, bool *ret_skip);

typedef struct Position {
    char node[NODE_ID_LENGTH]; /* the key */
    double x, y;
} Position;

/* Reads the desk's positions anew. */
MUST_USE int saved_read_positions(Saved *saved);
