// SPDX-License-Identifier: Apache-2.0
#include "serve/api/map_question.h"

enum {
    HISTORY_POINTS_DEFAULT = 1440,
    HISTORY_POINTS_MAX = 20000, /* in one answer */
    HOPS_MAX = 16,
};

#define MAP_WINDOW_DEFAULT_NS (60 * NS_PER_MINUTE)
#define AT_WINDOW_DEFAULT_NS (5 * NS_PER_MINUTE)

/* The parameters of one window. */
typedef struct WindowNames {
    const char *at, *from, *to;
} WindowNames;

/* The window that ends at that moment. */
static int window_at(ApiCall *call, const WindowNames *names, uint64_t *ret_from_ns,
                     uint64_t *ret_to_ns)
{
    uint64_t at = 0, window = 0;

    TRY(api_time(call, names->at, call->now_ns, &at));
    TRY(api_duration(call, "window", AT_WINDOW_DEFAULT_NS, &window));
    if (api_has_parameter(call, names->from) || api_has_parameter(call, names->to)) {
        return api_fail(call, API_BAD_PARAMETER, "give from and to, or at and window",
                        "%s or %s together with %s or window", names->from, names->to, names->at);
    }
    *ret_to_ns = at;
    *ret_from_ns = at > window ? at - window : 0;
    return 0;
}

static int window_from_to(ApiCall *call, const WindowNames *names, uint64_t *ret_from_ns,
                          uint64_t *ret_to_ns)
{
    uint64_t from = 0, to = 0;

    TRY(api_time(call, names->to, call->now_ns, &to));
    TRY(api_time(call, names->from, to > MAP_WINDOW_DEFAULT_NS ? to - MAP_WINDOW_DEFAULT_NS : 0,
                 &from));
    if (from > to) {
        return api_fail(call, API_BAD_PARAMETER, "swap them", "%s is after %s", names->from,
                        names->to);
    }
    *ret_from_ns = from;
    *ret_to_ns = to;
    return 0;
}

static int window_read(ApiCall *call, const WindowNames *names, uint32_t *ret_from_minute,
                       uint32_t *ret_to_minute)
{
    uint64_t from = 0, to = 0;

    if (api_has_parameter(call, names->at) || api_has_parameter(call, "window")) {
        TRY(window_at(call, names, &from, &to));
    } else {
        TRY(window_from_to(call, names, &from, &to));
    }
    minutes_of_window(from, to, ret_from_minute, ret_to_minute);
    from = *ret_from_minute, to = *ret_to_minute;
    (void)map_widen(call->api->map, ret_from_minute, ret_to_minute, NULL);
    call->widened |= from != *ret_from_minute || to != *ret_to_minute;
    return 0;
}

int api_map_window(ApiCall *call, uint32_t *ret_from_minute, uint32_t *ret_to_minute)
{
    return window_read(call, &(WindowNames){"at", "from", "to"}, ret_from_minute, ret_to_minute);
}

int map_question_two_windows(ApiCall *call, uint32_t ret_a[2], uint32_t ret_b[2])
{
    const WindowNames a = {"a_at", "a_from", "a_to"}, b = {"b_at", "b_from", "b_to"};

    TRY(window_read(call, &b, &ret_b[0], &ret_b[1]));
    if (!api_has_parameter(call, a.at) && !api_has_parameter(call, a.from) &&
        !api_has_parameter(call, a.to)) {
        uint32_t minutes = ret_b[1] - ret_b[0];

        ret_a[1] = ret_b[0];
        ret_a[0] = ret_b[0] - MIN(ret_b[0], minutes);
        return 0;
    }
    return window_read(call, &a, &ret_a[0], &ret_a[1]);
}

/* A comma list of node types as a bit set. */
static int types_read(ApiCall *call, uint32_t *ret_types)
{
    Str rest = api_parameter(call, "type"), head;
    bool more = rest.len > 0;
    uint32_t types = 0;

    while (more) {
        uint32_t type = 0;

        more = str_split(rest, ',', &head, &rest);
        while (type < NODE_NAME && !str_equal(node_type_name(type), str_trim(head))) {
            type++;
        }
        if (type == NODE_NAME) {
            return api_fail(call, API_BAD_PARAMETER,
                            "types: service, database, table, queue, external, flow, step",
                            "\"%.*s\" is no node type", STR_ARG(head));
        }
        types |= 1u << type;
    }
    *ret_types = types;
    return 0;
}

int map_question_filters(ApiCall *call, MapQuestion *question)
{
    uint64_t hops = 0;
    bool resolve = true;

    *question = (MapQuestion){
        .from_minute = question->from_minute,
        .to_minute = question->to_minute,
        .scope = api_parameter(call, "scope"),
        .has_environment = api_has_parameter(call, "environment"),
        .environment = api_parameter(call, "environment"),
        .namespace = api_parameter(call, "namespace"),
        .focus = api_parameter(call, "focus"),
        .flow = api_parameter(call, "flow"),
    };
    TRY(types_read(call, &question->types));
    TRY(api_number(call, "hops", 1, &hops));
    TRY(api_flag(call, "resolve", true, &resolve));
    if (hops > HOPS_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "leave focus out to see the whole map",
                        "hops is at most %d", HOPS_MAX);
    }
    question->hops = (uint32_t)hops;
    question->unresolved_names = !resolve;
    return 0;
}

/* A query waits for what was acknowledged before it came; with wait=true also for the map. */
int map_question_wait(ApiCall *call)
{
    bool settle = false;

    TRY(api_flag(call, "wait", false, &settle));
    if (settle) {
        TRY(api_wait(call, STORE_WAIT_SETTLED));
    } else {
        TRY(api_wait(call, STORE_WAIT_APPLIED));
    }
    return 0;
}

/* `step` in whole minutes; without it as few points as fill a screen. */
int map_question_step(ApiCall *call, uint32_t *from_minute, uint32_t *to_minute, uint32_t *ret_step)
{
    uint32_t from = *from_minute, to = *to_minute;
    uint64_t minutes = to - from;
    uint64_t least = MAX(minutes / HISTORY_POINTS_DEFAULT, (uint64_t)1);
    uint64_t step_ns = 0, step;

    TRY(api_duration(call, "step", least * NS_PER_MINUTE, &step_ns));
    step = step_ns / NS_PER_MINUTE;
    if (step == 0 || step_ns % NS_PER_MINUTE != 0 || step > UINT32_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "for example step=60s",
                        "step is not in whole minutes");
    }
    if (minutes / step > HISTORY_POINTS_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "take a longer step or a shorter window",
                        "more than %d points", HISTORY_POINTS_MAX);
    }
    *ret_step = (uint32_t)step;
    (void)map_widen(call->api->map, from_minute, to_minute, ret_step);
    call->widened |= from != *from_minute || to != *to_minute || step != *ret_step;
    return 0;
}

int map_question_no_node(ApiCall *call, Str id)
{
    return api_fail(call, API_NOT_FOUND, "it may be outside of the window; widen from and to",
                    "nothing in this window has the id \"%.*s\"", STR_ARG(id));
}
