// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/sketch.h"
#include "map/delta.h"
#include "os/clock.h"

/*
 * The map: sums of deltas per minute, and the questions to it. One thread (the store's applier)
 * applies deltas; any thread asks. CONTRACT.md §4 and §5.
 */
typedef struct Map Map;
typedef struct Mappings Mappings; /* answer/mappings.h */

typedef struct MapOptions {
    uint32_t presence_gap_minutes; /* 0: default 5 */
    /* Shown in an answer; the rarest beyond fold into (other), CONTRACT.md §8. */
    size_t nodes_max, edges_max; /* of a scope, of all four times that; 0: 10,000, 100,000 */
    size_t collections_max;      /* of a database; 0: 1,000 */
    size_t flow_names_max;       /* steps of a flow; 0: 1,000 */
    size_t variants_max;         /* of a flow, told apart; 0: 10,000 */
    size_t cells_bytes_max;      /* of sums kept in memory beside their files; 0: 96 MiB */
    uint64_t kept_s;             /* sums that came longer ago go; 0: 13 months */
    uint64_t minutes_kept_s;     /* hours that came longer ago are made thin; 0: 31 days */
    size_t series_max;      /* edges, entry points, labels … told apart at most; 0: 4,194,304 */
    size_t fold_series_max; /* in memory while files are merged, or counted at the start; 0: twice
                               as many */
    uint32_t cut_files_max; /* more are merged into hours; 0: 32 */
    const Clock *clock;     /* by which choosing anew who has a place is limited; NULL: it is not */
} MapOptions;

Map *map_new(const MapOptions *options);
Map *map_free(Map *map);

/* What people say that unpaired names mean (answer/mappings.h), for all of the past at once. Takes
 * a reference of its own; NULL: nothing. */
void map_set_mappings(Map *map, Mappings *mappings);

/* Adds (@sign +1) or takes back (-1). Node keys in @deltas must be keys; names of any bytes. */
void map_apply(Map *map, const Deltas *deltas, int sign);

/* The runs of flows whose sums the map holds; they live as long as it. */
struct Runs *map_runs(Map *map);

/* Whether some flow or step is known. */
bool map_knows_flows(Map *map);

/* What was applied since the last cut, for a table file; files are tiers.h's, and so is
 * tiers_free(). */
typedef struct MapPending MapPending;
MapPending *map_cut(Map *map);

/* How much room there is for names beyond the limit of series, which are kept until the next cut.
 */
typedef enum MapRoom {
    MAP_HAS_ROOM,
    MAP_WANTS_CUT, /* half of it is taken */
    MAP_IS_FULL,   /* three quarters are: what can wait should */
} MapRoom;
MapRoom map_room(Map *map);
MUST_USE int map_pending_write(const MapPending *pending, Buf *ret_file);
/* Adds the rows of such a file, for good. 1: it is damaged, newer, or of another level
 * (@ret_error), and the map may hold a part of it. */
MUST_USE int map_load(Map *map, Str file, ParseError *ret_error);
/* One file of the sums of several such. 1: one of them is damaged; -EFBIG: more rows than a table
 * may have. */
MUST_USE int map_merge_files(const Str *files, size_t n_files, Buf *ret_file);

/*
 * Hours whose newest spans came long ago know no single minutes any more. Widens the ends of a
 * window to whole hours where they lie in such an hour; with @step, when it has such hours, all of
 * it to steps of whole hours from a whole hour on. Returns whether it has such hours.
 *
 * All windows below are to be widened first: else what lies in such an hour is told of its first
 * minute. map_ask() and map_operations() do it by themselves.
 */
bool map_widen(Map *map, uint32_t *from_minute, uint32_t *to_minute, uint32_t *step);

/* What is asked. Times in whole minutes since the epoch: from <= minute < to. */
typedef struct MapQuestion {
    uint32_t from_minute, to_minute;
    bool has_environment; /* an empty @environment then means "without one" */
    Str scope, environment, namespace;
    uint32_t types;        /* bit set of 1 << NodeType; 0: all but flow and step */
    Str focus;             /* node id; empty: the whole */
    Str focus_edge;        /* edge id: its two ends are the focus */
    uint32_t hops;         /* around focus; 0: 1 */
    bool unresolved_names; /* resolve=false: unpaired names stay external nodes by their text */
    Str flow;              /* only what was done for this flow */
    Mappings *mappings;    /* instead of the map's own, for a preview; NULL: the map's */
    bool only_flow;        /* ... and edges tell of no other one; with these: of which */
    Str flow_scope, flow_environment;
    bool has_flow_environment;
    bool with_layout;
    bool by_presence; /* what is there is told without looking at sums, which may not be in memory;
                         for windows of whole days */
    bool only_nodes;  /* edges and hops are left out of the answer */
    bool with_profiles; /* edges and requests get a profile, for comparisons */
    bool by_hours;      /* set by map_ask(): the window knows no single minutes */
} MapQuestion;

typedef struct MapDuration {
    bool present;
    uint64_t p50_ns, p90_ns, p99_ns;
} MapDuration;

typedef struct MapLabel {
    Str key, value;
} MapLabel;

typedef struct MapProfile MapProfile; /* answer/profile.h */

typedef struct MapNode {
    Str id;
    NodeKey key; /* NODE_NAME never: resolved to a service or an external */
    Str parent;  /* id of a table's database or a step's flow; empty: none */
    Str service; /* id of an embedded database's service; empty: none */
    MapLabel *labels;
    size_t n_labels;
    uint32_t first_minute, last_minute; /* over the node's whole life */
    uint64_t requests, errors;          /* services: entry points in the window */
    MapDuration duration;
    const MapProfile *profile; /* of these; NULL unless asked for, and of what has none */
    double x, y, width,
        height; /* layout: top left corner, pixels at 100 %; tables inside their database */
    uint32_t layer;
    bool is_pinned; /* somebody put it there; set by who knows, not by map_ask() */
} MapNode;

typedef struct MapInterval {
    uint32_t first_minute, last_minute;
} MapInterval;

typedef struct MapFlowCount {
    Str flow, step;
    uint64_t count;
} MapFlowCount;

typedef struct MapExemplar {
    TraceId trace_id;
    uint64_t start_ns, duration_ns;
} MapExemplar;

enum { MAP_EXEMPLARS = 3 };

typedef struct MapEdge {
    Str id;
    size_t source, target; /* indexes of nodes */
    Relation relation;
    uint64_t count, errors;
    double adjusted_count;
    MapDuration duration, server_duration;
    uint64_t rules[RULE_COUNT];
    MapInterval *intervals; /* those that touch the window, not clipped */
    size_t n_intervals;
    uint32_t first_minute, last_minute; /* over its whole life */
    MapFlowCount *flows;
    size_t n_flows;
    MapExemplar latest[MAP_EXEMPLARS], error[MAP_EXEMPLARS], slowest[MAP_EXEMPLARS];
    size_t n_latest, n_error, n_slowest;
    const MapProfile *profile; /* NULL unless asked for */
} MapEdge;

typedef struct MapHop {
    size_t producer, queue, consumer; /* indexes of nodes */
    uint64_t count;
    MapDuration age;
} MapHop;

typedef struct MapAnswer {
    MapNode *nodes;
    size_t n_nodes;
    MapEdge *edges;
    size_t n_edges;
    MapHop *hops;
    size_t n_hops;
    bool truncated;
    uint64_t folded_nodes, folded_edges;
} MapAnswer;

/* Answers in @arena, nodes sorted by id, edges by (source, relation, target). Returns 0; 1 when
 * @focus is no node of the window. */
enum { MAP_NO_SUCH_NODE = 1 };
MUST_USE int map_ask(Map *map, const MapQuestion *question, Arena *arena, MapAnswer *ret_answer);

/*
 * Where the nodes of @answer, the one to @question, stand: their places in the picture of all that
 * was seen in the 30 days up to the end of the window's last day, so that going back and forth in
 * time moves nothing; a map around a focus or of a flow is drawn by itself. map_ask() does it when
 * the question wants a layout.
 */
void map_place(Map *map, const MapQuestion *question, MapAnswer *answer);

/* Where an edge delta of a single trace lies on the map, unpaired names resolved as map_ask does:
 * for a trace's page. In @arena. A delta that was not applied yet has a place, too, but an unpaired
 * name that the map does not know is an external there. */
typedef struct MapPlace {
    Str edge_id;
    Str source_id, target_id;
    Str source_name, target_name; /* node_key_label() */
    NodeKey target;
} MapPlace;

/* @ret_places has room for @n. All of @deltas are DELTA_EDGE. */
void map_locate(Map *map, const Delta *deltas, size_t n, Arena *arena, MapPlace *ret_places);

/* A minute of one edge or node, for series. */
typedef struct MapPoint {
    uint32_t minute;
    uint64_t count, errors;
    MapDuration duration;
} MapPoint;

/* A window in steps: from <= minute < to. */
typedef struct MapSteps {
    uint32_t from_minute, to_minute, step_minutes;
} MapSteps;

/* Series of an edge or a node, one point per step, empty ones too, in @arena. A service's are its
 * requests; any other node's is what comes in. Returns 0; MAP_NO_SUCH_NODE when no window has it.
 */
MUST_USE int map_edge_series(Map *map, Str edge_id, const MapSteps *steps, Arena *arena,
                             MapPoint **ret_points, size_t *ret_n);
MUST_USE int map_node_series(Map *map, Str node_id, const MapSteps *steps, Arena *arena,
                             MapPoint **ret_points, size_t *ret_n);

/* Entry points of services: rate, errors, durations per span name. */
typedef struct MapOperationsQuestion {
    const Str *services; /* names, in any scope, environment and namespace */
    size_t n_services;
    uint32_t from_minute, to_minute;
} MapOperationsQuestion;

typedef struct MapOperation {
    NodeKey service;
    Str name;
    uint64_t requests, errors;
    MapDuration duration;
} MapOperation;

/* By name, then service. MAP_NO_SUCH_NODE: no service of these names had a request, ever. */
MUST_USE int map_operations(Map *map, const MapOperationsQuestion *question, Arena *arena,
                            MapOperation **ret_operations, size_t *ret_n);

/* ---- Business flows (CONTRACT.md §6) ---- */

/* A flow in a window: its runs that began in it. */
typedef struct MapFlow {
    NodeKey key;
    uint64_t runs, failures, without_run_id;
    MapDuration duration;
    uint64_t steps, variants;           /* how many */
    uint32_t first_minute, last_minute; /* over its whole life */
} MapFlow;

/* By name, scope, environment; those with runs in the window. */
void map_flow_list(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                   MapFlow **ret_flows, size_t *ret_n);

/* Flows of that name: in any scope and environment, added up, unless one is named. */
typedef struct MapFlowQuestion {
    Str name;
    Str scope; /* empty: any */
    bool has_environment;
    Str environment;
    uint32_t from_minute, to_minute;
} MapFlowQuestion;

typedef struct MapFlowStep {
    Str name;
    uint64_t count, errors; /* occurrences */
    uint64_t runs;          /* that have it */
    uint64_t starts, ends, failed_ends;
    MapDuration duration;
    uint32_t first_minute, last_minute; /* over its whole life */
} MapFlowStep;

typedef struct MapFlowNext {
    Str from, to;
    uint64_t count, runs;
    uint64_t overlaps; /* times the later step began before the earlier one ended */
    MapDuration wait;
    uint32_t first_minute, last_minute;
} MapFlowNext;

typedef struct MapFlowVariant {
    Str key; /* its identity, as bytes */
    Str *steps;
    size_t n_steps;
    bool cut; /* the sequence goes on, but is told no further */
    uint64_t runs, failures;
    MapDuration duration;
    uint32_t first_minute, last_minute;
} MapFlowVariant;

/* What its steps did (§6): a relation of the map, with how often in the window's minutes. */
typedef struct MapFlowTouch {
    Str step;
    Relation relation;
    Str node_id;
    NodeKey node;
    uint64_t count;
} MapFlowTouch;

typedef struct MapFlowAnswer {
    MapFlow flow;       /* the key's scope and environment are those of the first, when added up */
    MapFlowStep *steps; /* by name */
    size_t n_steps;
    MapFlowNext *follows; /* by from, to */
    size_t n_follows;
    MapFlowVariant *variants; /* the most frequent first, then by sequence */
    size_t n_variants;
    uint64_t other_variants, other_runs; /* beyond MAP_VARIANTS_MAX, and beyond variants_max, where
                                            how many they are is not known: 1 is counted */
    MapFlowTouch *touches;               /* by step, relation, node id */
    size_t n_touches;
} MapFlowAnswer;

enum { MAP_VARIANTS_MAX = 1000 };

/* Returns 0; MAP_NO_SUCH_NODE when no window has such a flow. In @arena. */
MUST_USE int map_flow_ask(Map *map, const MapFlowQuestion *question, Arena *arena,
                          MapFlowAnswer *ret_answer);

/* Step occurrences without a flow, by service and step: of a window. */
typedef struct MapLostStep {
    Str node_id;
    NodeKey service;
    Str step;
    uint64_t count;
    TraceId example;
} MapLostStep;

void map_lost_steps(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                    MapLostStep **ret_steps, size_t *ret_n);

/* All counts of a window that contract health judges by (answer/health.h). */
typedef struct MapFinding {
    DeltaKind kind; /* DELTA_UNRESOLVED, DELTA_ORPHAN, DELTA_FINDING */
    Str code;       /* DELTA_FINDING */
    Str node_id;
    NodeKey service;
    uint64_t count, spans;
    TraceId example;
} MapFinding;

void map_findings(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                  MapFinding **ret_findings, size_t *ret_n);

typedef struct MapStatus {
    uint64_t nodes, edges;
    uint64_t edge_minutes; /* cells of edges in memory */
    uint64_t bytes, deltas_applied;
    uint32_t newest_minute, oldest_minute;
    uint64_t series, series_max;
    uint64_t folded;          /* deltas beyond that limit, told in (other) */
    uint64_t folded_variants; /* runs of the rarest variants of flows with too many, told so */
    uint64_t refused,
        cut_names;    /* deltas that not even (other) tells; names cut for their length */
    uint64_t unnamed; /* deltas beyond it that came between two cuts and lost their names, too */
    uint64_t file_reads, damaged_reads, evicted_hours; /* of sums in table files, since start */
    uint64_t left_files;   /* cut files and days of too many series to be merged, since start */
    uint64_t sparse_hours; /* far from when they came, in files that they share (pages.h) */
    uint64_t version;      /* grows with every apply; a live reader compares it */
} MapStatus;

void map_status(Map *map, MapStatus *ret_status);

/* MapStatus.version alone. */
uint64_t map_version(Map *map);
