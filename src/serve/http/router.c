// SPDX-License-Identifier: Apache-2.0
#include "serve/http/router.h"

#include "base/assert.h"
#include "base/memory.h"

/*
 * A listener has at most some hundred routes and most differ in an early segment, so a scan with
 * an early exit is as fast as a tree, and much shorter.
 */
typedef enum SegmentKind { SEGMENT_REST, SEGMENT_PARAMETER, SEGMENT_LITERAL } SegmentKind;

typedef struct Segment {
    SegmentKind kind;
    Str text; /* literal, or the parameter's name */
} Segment;

typedef struct Pattern {
    const Route *route;
    Segment segments[ROUTE_SEGMENTS_MAX];
    size_t n_segments;
} Pattern;

struct Router {
    Pattern *patterns;
    size_t n_patterns;
};

static Segment segment_parse(Str text)
{
    if (text.len < 2 || text.ptr[0] != '{' || text.ptr[text.len - 1] != '}') {
        ASSERT(str_find_byte(text, '{', 0) == text.len);
        return (Segment){.kind = SEGMENT_LITERAL, .text = text};
    }
    Str name = str_slice(text, 1, text.len - 1);

    if (str_ends_with(name, STR("..."))) {
        return (Segment){.kind = SEGMENT_REST, .text = str_slice(name, 0, name.len - 3)};
    }
    return (Segment){.kind = SEGMENT_PARAMETER, .text = name};
}

static void pattern_parse(const Route *route, Pattern *pattern)
{
    Str rest = str_from_cstr(route->pattern), head;
    size_t n_parameters = 0;
    bool more = true;

    ASSERT(str_starts_with(rest, STR("/")));
    rest = str_slice(rest, 1, rest.len);
    *pattern = (Pattern){.route = route};
    while (more) {
        more = str_split(rest, '/', &head, &rest);
        Segment segment = segment_parse(head);

        ASSERT(pattern->n_segments < ROUTE_SEGMENTS_MAX);
        ASSERT(segment.kind != SEGMENT_REST || !more);
        n_parameters += segment.kind != SEGMENT_LITERAL;
        pattern->segments[pattern->n_segments++] = segment;
    }
    ASSERT(n_parameters <= ROUTE_PARAMETERS_MAX);
}

Router *router_new(const Route *routes, size_t n_routes)
{
    Router *router = NEW(Router);

    router->patterns = NEW_ARRAY(Pattern, n_routes);
    router->n_patterns = n_routes;
    for (size_t i = 0; i < n_routes; i++) {
        ASSERT(routes[i].handler != NULL);
        pattern_parse(&routes[i], &router->patterns[i]);
    }
    return router;
}

Router *router_free(Router *router)
{
    if (router != NULL) {
        mem_free(router->patterns);
        mem_free(router);
    }
    return NULL;
}

/* A path cut at its slashes; the rest of segment i begins at offsets[i]. */
typedef struct PathSegments {
    Str path;
    Str segments[ROUTE_SEGMENTS_MAX + 1];
    size_t n_segments; /* one more than a pattern can have: too many */
} PathSegments;

static void path_cut(Str path, PathSegments *ret_segments)
{
    Str rest = str_slice(path, 1, path.len);
    bool more = true;

    ret_segments->path = path;
    ret_segments->n_segments = 0;
    while (more && ret_segments->n_segments <= ROUTE_SEGMENTS_MAX) {
        Str *segment = &ret_segments->segments[ret_segments->n_segments++];

        more = str_split(rest, '/', segment, &rest);
    }
}

static Str path_rest(const PathSegments *path, size_t index)
{
    const char *start = path->segments[index].ptr;

    if (start == NULL) {
        return (Str){0};
    }
    return (Str){.ptr = start, .len = (size_t)(path->path.ptr + path->path.len - start)};
}

static bool pattern_fits(const Pattern *pattern, const PathSegments *path)
{
    for (size_t i = 0; i < pattern->n_segments; i++) {
        const Segment *segment = &pattern->segments[i];

        if (segment->kind == SEGMENT_REST) {
            return i < path->n_segments;
        }
        if (i >= path->n_segments) {
            return false;
        }
        if (segment->kind == SEGMENT_LITERAL ? !str_equal(segment->text, path->segments[i])
                                             : path->segments[i].len == 0) {
            return false;
        }
    }
    return pattern->n_segments == path->n_segments;
}

/* Whether @a is more literal than @b, both fitting the same path. */
static bool pattern_beats(const Pattern *a, const Pattern *b)
{
    size_t n = MIN(a->n_segments, b->n_segments);

    for (size_t i = 0; i < n; i++) {
        if (a->segments[i].kind != b->segments[i].kind) {
            return a->segments[i].kind > b->segments[i].kind;
        }
    }
    return a->n_segments > b->n_segments;
}

static bool method_serves(HttpMethod route_method, HttpMethod method)
{
    return route_method == method || (method == HTTP_HEAD && route_method == HTTP_GET);
}

static int bind_parameters(const Pattern *pattern, const PathSegments *path, Arena *arena,
                           RouteMatch *match)
{
    for (size_t i = 0; i < pattern->n_segments; i++) {
        const Segment *segment = &pattern->segments[i];
        CLEANUP(buf_deinit) Buf value = {0};

        if (segment->kind == SEGMENT_LITERAL) {
            continue;
        }
        Str text = segment->kind == SEGMENT_REST ? path_rest(path, i) : path->segments[i];
        if (percent_decode(text, false, &value) != 0) {
            return ROUTE_BAD_PATH;
        }
        match->parameters[match->n_parameters++] =
            (RouteParameter){.name = segment->text, .value = arena_copy(arena, buf_str(&value))};
    }
    return 0;
}

int router_match(const Router *router, HttpMethod method, Str path, Arena *arena,
                 RouteMatch *ret_match)
{
    const Pattern *best = NULL;
    RouteMatch match = {0};
    PathSegments segments;

    if (!str_starts_with(path, STR("/"))) {
        return ROUTE_NOT_FOUND;
    }
    path_cut(path, &segments);
    for (size_t i = 0; i < router->n_patterns; i++) {
        const Pattern *pattern = &router->patterns[i];

        if (!pattern_fits(pattern, &segments)) {
            continue;
        }
        match.methods |= 1u << pattern->route->method;
        if (method_serves(pattern->route->method, method) &&
            (best == NULL || pattern_beats(pattern, best))) {
            best = pattern;
        }
    }
    if ((match.methods & 1u << HTTP_GET) != 0) {
        match.methods |= 1u << HTTP_HEAD;
    }
    if (match.methods == 0) {
        return ROUTE_NOT_FOUND;
    }
    if (best == NULL) {
        *ret_match = match;
        return ROUTE_BAD_METHOD;
    }
    match.route = best->route;
    TRY(bind_parameters(best, &segments, arena, &match));
    *ret_match = match;
    return 0;
}

static const struct {
    Str text;
    HttpMethod method;
} methods_known[] = {
    {{"GET", 3}, HTTP_GET}, {{"HEAD", 4}, HTTP_HEAD},     {{"POST", 4}, HTTP_POST},
    {{"PUT", 3}, HTTP_PUT}, {{"DELETE", 6}, HTTP_DELETE}, {{"OPTIONS", 7}, HTTP_OPTIONS},
};

HttpMethod method_parse(Str text)
{
    for (size_t i = 0; i < ARRAY_LEN(methods_known); i++) {
        if (str_equal(text, methods_known[i].text)) {
            return methods_known[i].method;
        }
    }
    return HTTP_OTHER;
}

Str methods_format(uint32_t methods, Arena *arena)
{
    CLEANUP(buf_deinit) Buf text = {0};

    for (size_t i = 0; i < ARRAY_LEN(methods_known); i++) {
        if ((methods & 1u << methods_known[i].method) != 0) {
            buf_append_str(&text, text.len > 0 ? STR(", ") : STR(""));
            buf_append_str(&text, methods_known[i].text);
        }
    }
    return arena_copy(arena, buf_str(&text));
}

void percent_encode(Str text, Buf *buf)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        bool plain = (ascii_lower((char)byte) >= 'a' && ascii_lower((char)byte) <= 'z') ||
                     ascii_is_digit((char)byte) || byte == '-' || byte == '_' || byte == '.' ||
                     byte == '~';

        if (plain) {
            buf_append_byte(buf, byte);
        } else {
            const uint8_t escape[] = {'%', (uint8_t)digits[byte >> 4], (uint8_t)digits[byte & 15]};
            buf_append(buf, escape, sizeof(escape));
        }
    }
}

int percent_decode(Str text, bool plus, Buf *buf)
{
    size_t start = buf->len;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];

        if (byte == '%') {
            if (text.len - i < 3 || str_parse_hex(str_slice(text, i + 1, i + 3), &byte, 1) != 0) {
                buf->len = start;
                return 1;
            }
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        buf_append_byte(buf, byte);
    }
    return 0;
}

/* Names are compared decoded: "%71=x" is the parameter q. What does not decode has no name. */
static bool name_equals(Str encoded, Str name)
{
    CLEANUP(buf_deinit) Buf decoded = {0};

    if (str_find_byte(encoded, '%', 0) == encoded.len &&
        str_find_byte(encoded, '+', 0) == encoded.len) {
        return str_equal(encoded, name);
    }
    return percent_decode(encoded, true, &decoded) == 0 && str_equal(buf_str(&decoded), name);
}

bool query_parameter(Str query, Str name, Buf *buf)
{
    Str pair, key, value;
    bool more = query.len > 0;

    while (more) {
        more = str_split(query, '&', &pair, &query);
        (void)str_split(pair, '=', &key, &value);
        if (pair.len > 0 && name_equals(key, name)) {
            /* A value that does not decode is taken as it stands, so that the handler's own check
             * of the value speaks of it. */
            if (percent_decode(value, true, buf) != 0) {
                buf_append_str(buf, value);
            }
            return true;
        }
    }
    return false;
}
