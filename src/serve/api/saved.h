// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "desk/desk.h"
#include "map/answer/mappings.h"
#include "query/flow/defined_flows.h"
#include "serve/api/api_call.h"

/*
 * What people saved, in use: mappings of names, which the map asks (the configuration's first, then
 * the page's), and positions of nodes that somebody moved. Thread-safe.
 */
typedef struct Saved Saved;

enum {
    SAVED_BODY_MAX = 4 << 20, /* of a request that saves */
    POSITIONS_MAX = 20000,
};

#define POSITION_LIMIT 1e6 /* pixels, on each side of the origin */

/* Reads @desk and tells @map; both outlive it. @configured is copied. Returns 0; 1 with a sentence
 * in
 * @why. */
MUST_USE int saved_new(Desk *desk, Map *map, const Mapping *configured, size_t n_configured,
                       Saved **ret_saved, Buf *why);
Saved *saved_free(Saved *saved);

/* Whether what was saved before was damaged and moved away: desk_was_damaged(). */
bool saved_was_damaged(const Saved *saved);

/* Flows that the configuration defines: a JSON list of what PUT /flow-definitions takes; empty:
 * none. Before anybody asks. Returns 0; 1 with a sentence in @why. */
MUST_USE int saved_use_flows(Saved *saved, Str definitions, Buf *why);

/* All flows that people defined, the configuration's first, in the arena; @saved may be NULL.
 * Returns 0 or -errno. */
MUST_USE int saved_read_flows(Saved *saved, Arena *arena, FlowDefinition **ret_items, size_t *ret_n,
                              uint64_t *ret_version);

/* Puts pinned nodes where people put them, with what is inside of them. @saved may be NULL. */
void saved_place_nodes(Saved *saved, MapAnswer *map);

/* Grows with every position that is saved. */
uint64_t saved_positions_version(Saved *saved);

/* Endpoints' runs: see openapi.yaml. */
int api_mappings(ApiCall *call);
int api_mappings_put(ApiCall *call);
int api_mappings_preview(ApiCall *call);
int api_positions(ApiCall *call);
int api_positions_put(ApiCall *call);
int api_alerts(ApiCall *call);
int api_alert_rules(ApiCall *call);
int api_alert_rules_put(ApiCall *call);
int api_alert_rule_preview(ApiCall *call);
int api_alert_test(ApiCall *call);
int api_alert_silences(ApiCall *call);
int api_alert_silences_post(ApiCall *call);
int api_alert_silence_delete(ApiCall *call);
