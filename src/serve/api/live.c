// SPDX-License-Identifier: Apache-2.0
#include "serve/api/live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/memory.h"
#include "codec/json.h"
#include "os/loop.h"
#include "serve/api/live_picture.h"
#include "serve/api/map_json.h"
#include "serve/api/saved.h"

/*
 * A Channel is one question with its readers. Every period it asks the map again, unless nothing
 * was applied and no minute has passed, writes each element as JSON, and compares it with what it
 * showed before by a hash: what is new or different goes into the delta, what is missing into
 * `removed`. The layout is made anew only when an element came or went.
 *
 * An event's id names the state that a reader has after it. One who comes back with the id of the
 * channel's present state has missed nothing and gets no picture.
 */
enum { EVENT_ID_MAX = 64, KEY_MAX = 16 << 10 };

typedef struct Reader {
    Exchange *exchange;
    bool wants_whole;
    bool is_behind;           /* gets nothing until he has read all */
    uint64_t behind_since_ms; /* since when something is unsent; 0: nothing is */
    uint64_t sent_ms;
    LIST_ENTRY(Reader) others;
} Reader;

typedef struct Channel {
    Arena arena; /* of the question */
    Str key;
    MapQuestion question;
    uint32_t window_minutes;
    LiveShown shown;
    uint64_t number; /* no other one of this program had it */
    uint64_t version, positions;
    uint32_t to_minute;
    char event_id[EVENT_ID_MAX];
    LIST_HEAD(, Reader) readers;
    LIST_ENTRY(Channel) others;
} Channel;

struct Live {
    LiveOptions options;
    Loop *loop;
    LoopTimer *timer;
    LIST_HEAD(, Channel) channels; /* the loop's, as all in it */
    size_t n_channels;
    uint64_t n_made;     /* channels so far */
    uint64_t started_ns; /* ids of another run of the program mean nothing */
    _Atomic bool stopped;
    _Atomic uint64_t readers, refused, cut_off, events;
};

static uint64_t now_ms(const Live *live)
{
    return clock_monotonic_ns(live->options.clock) / 1000000;
}

static uint64_t positions_version(const Live *live)
{
    return live->options.saved == NULL ? 0 : saved_positions_version(live->options.saved);
}

/* --- Events --- */

/* One line of data: JSON has no line ends outside of strings, and none unescaped inside. */
static void event_append(const Channel *channel, const LivePicture *picture, bool whole, Buf *buf)
{
    JsonWriter json = {.buf = buf};

    buf_append_format(buf, "event: map\nid: %s\ndata: ", channel->event_id);
    json_open(&json, '{');
    json_key_bool(&json, "snapshot", whole);
    minute_write(&json, "from", channel->question.from_minute);
    minute_write(&json, "to", channel->question.to_minute);
    json_key_time(&json, "complete_to", picture->complete_to_ns);
    buf_append_byte(buf, ',');
    live_lists_append(buf, whole ? picture->whole : picture->changed);
    buf_append_str(buf, STR(",\"removed\":{"));
    live_lists_append(buf, whole ? (const Buf[LIVE_KINDS]){{0}} : picture->removed);
    buf_append_str(buf, STR("}}\n\n"));
}

static void drop_reader(Live *live, Reader *reader)
{
    exchange_end(reader->exchange);
    LIST_REMOVE(reader, others);
    mem_free(reader);
    atomic_fetch_sub(&live->readers, 1);
}

static void drop_channel(Live *live, Channel *channel)
{
    while (!LIST_EMPTY(&channel->readers)) {
        drop_reader(live, LIST_FIRST(&channel->readers));
    }
    LIST_REMOVE(channel, others);
    live->n_channels--;
    live_shown_deinit(&channel->shown);
    arena_deinit(&channel->arena);
    mem_free(channel);
}

/* Sends @bytes. Returns false when the reader is gone or was cut off, and is dropped. */
static bool send_bytes(Live *live, Reader *reader, Str bytes)
{
    if (exchange_write(reader->exchange, bytes) != 0) {
        atomic_fetch_add(&live->cut_off, !exchange_is_abandoned(reader->exchange));
        drop_reader(live, reader);
        return false;
    }
    reader->sent_ms = now_ms(live);
    return true;
}

/* Looks after who reads slowly. Returns false when the reader was dropped. */
static bool check_pace(Live *live, Reader *reader)
{
    size_t backlog = exchange_backlog(reader->exchange);
    uint64_t now = now_ms(live);

    if (exchange_is_abandoned(reader->exchange)) {
        drop_reader(live, reader);
        return false;
    }
    if (backlog == 0) {
        reader->behind_since_ms = 0;
        reader->is_behind = false;
        return true;
    }
    reader->behind_since_ms = reader->behind_since_ms == 0 ? now : reader->behind_since_ms;
    if (now - reader->behind_since_ms > live->options.behind_max_ms) {
        atomic_fetch_add(&live->cut_off, 1);
        drop_reader(live, reader);
        return false;
    }
    if (backlog > LIVE_BEHIND_BYTES) {
        reader->is_behind = reader->wants_whole = true;
    }
    return true;
}

static size_t unsent_of_all(const Live *live)
{
    size_t sum = 0;
    Channel *channel;
    Reader *reader;

    LIST_FOREACH(channel, &live->channels, others)
    {
        LIST_FOREACH(reader, &channel->readers, others)
        {
            sum += exchange_backlog(reader->exchange);
        }
    }
    return sum;
}

static void send_whole(Live *live, Reader *reader, Str event)
{
    size_t unsent = unsent_of_all(live);

    if (unsent > 0 && unsent + event.len > LIVE_BYTES_MAX) {
        return; /* next time */
    }
    reader->wants_whole = false;
    if (send_bytes(live, reader, event)) {
        atomic_fetch_add(&live->events, 1);
    }
}

static void send_picture(Live *live, Channel *channel, const LivePicture *picture)
{
    CLEANUP(buf_deinit) Buf whole = {0}, changed = {0};

    if (picture->wants_whole) {
        event_append(channel, picture, true, &whole);
    }
    event_append(channel, picture, false, &changed);
    for (Reader *reader = LIST_FIRST(&channel->readers), *next; reader != NULL; reader = next) {
        next = LIST_NEXT(reader, others);
        if (reader->is_behind) {
            continue;
        }
        if (reader->wants_whole) {
            send_whole(live, reader, buf_str(&whole));
        } else if (picture->n_changes > 0 && send_bytes(live, reader, buf_str(&changed))) {
            atomic_fetch_add(&live->events, 1);
        }
    }
}

static bool anybody_wants_whole(const Channel *channel)
{
    const Reader *reader;

    LIST_FOREACH(reader, &channel->readers, others)
    {
        if (reader->wants_whole && !reader->is_behind) {
            return true;
        }
    }
    return false;
}

static void draw(Live *live, Channel *channel, uint64_t complete_to_ns)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    MapAnswer map = {0};

    if (map_ask(live->options.map, &channel->question, &arena, &map) != 0) {
        map = (MapAnswer){0}; /* the focus is not there now: an empty picture */
    }
    LivePicture picture = {.complete_to_ns = complete_to_ns,
                           .wants_whole = anybody_wants_whole(channel)};
    uint64_t positions = positions_version(live);
    bool anew = live_shown_mark(&channel->shown, &map) || positions != channel->positions;
    channel->positions = positions;
    if (anew) {
        map_place(live->options.map, &channel->question, &map);
        saved_place_nodes(live->options.saved, &map);
    }
    live_shown_places(&channel->shown, &map, anew);
    live_picture_draw(&picture, &channel->shown, &map);
    if (picture.n_changes > 0 || channel->event_id[0] == '\0') {
        snprintf(channel->event_id, sizeof(channel->event_id), "%llx-%llx-%llx",
                 (unsigned long long)live->started_ns, (unsigned long long)channel->number,
                 (unsigned long long)channel->shown.round);
    }
    send_picture(live, channel, &picture);
    live_picture_deinit(&picture);
}

static void send_heartbeats(Live *live, Channel *channel)
{
    uint64_t now = now_ms(live);

    for (Reader *reader = LIST_FIRST(&channel->readers), *next; reader != NULL; reader = next) {
        next = LIST_NEXT(reader, others);
        if (now - reader->sent_ms >= live->options.heartbeat_ms) {
            (void)send_bytes(live, reader, STR(": still here\n\n"));
        }
    }
}

static void tick_channel(Live *live, Channel *channel)
{
    AssemblyStatus assembly = {0};

    for (Reader *reader = LIST_FIRST(&channel->readers), *next; reader != NULL; reader = next) {
        next = LIST_NEXT(reader, others);
        (void)check_pace(live, reader);
    }
    assembly_status(live->options.assembly, &assembly);
    uint64_t version = map_version(live->options.map);
    uint32_t to = (uint32_t)(clock_realtime_ns(live->options.clock) / UINT64_C(60000000000)) + 1;
    if (version != channel->version || to != channel->to_minute ||
        positions_version(live) != channel->positions || anybody_wants_whole(channel)) {
        channel->version = version;
        channel->to_minute = to;
        channel->question.to_minute = to;
        channel->question.from_minute = to - MIN(to, channel->window_minutes);
        draw(live, channel, assembly.complete_to_ns);
    }
    send_heartbeats(live, channel);
}

static void on_tick(void *context)
{
    Live *live = context;

    for (Channel *channel = LIST_FIRST(&live->channels), *next; channel != NULL; channel = next) {
        next = LIST_NEXT(channel, others);
        tick_channel(live, channel);
        if (LIST_EMPTY(&channel->readers)) {
            drop_channel(live, channel);
        }
    }
}

/* --- Readers --- */

static void append_part(Buf *buf, Str part)
{
    buf_append_u32le(buf, (uint32_t)part.len);
    buf_append_str(buf, part);
}

/* Equal exactly when the questions are. */
static void question_key(const LiveQuestion *question, Buf *buf)
{
    const MapQuestion *filters = &question->filters;

    append_part(buf, filters->scope);
    append_part(buf, filters->environment);
    append_part(buf, filters->namespace);
    append_part(buf, filters->focus);
    append_part(buf, filters->flow);
    buf_append_u32le(buf, filters->types);
    buf_append_u32le(buf, filters->hops);
    buf_append_u32le(buf, question->window_minutes);
    buf_append_byte(buf, filters->has_environment);
    buf_append_byte(buf, filters->unresolved_names);
}

static Channel *channel_new(Live *live, const LiveQuestion *question, Str key)
{
    Channel *channel = NEW(Channel);
    MapQuestion *own = &channel->question;

    live_shown_init(&channel->shown);
    *own = question->filters;
    own->scope = arena_copy(&channel->arena, own->scope);
    own->environment = arena_copy(&channel->arena, own->environment);
    own->namespace = arena_copy(&channel->arena, own->namespace);
    own->focus = arena_copy(&channel->arena, own->focus);
    own->flow = arena_copy(&channel->arena, own->flow);
    own->with_layout = false;
    channel->window_minutes = question->window_minutes;
    channel->key = arena_copy(&channel->arena, key);
    channel->number = ++live->n_made;
    LIST_INSERT_HEAD(&live->channels, channel, others);
    live->n_channels++;
    return channel;
}

static Channel *channel_find(const Live *live, Str key)
{
    Channel *channel;

    LIST_FOREACH(channel, &live->channels, others)
    {
        if (str_equal(channel->key, key)) {
            return channel;
        }
    }
    return NULL;
}

/* What live_add() hands to the loop. */
typedef struct Arrival {
    Live *live;
    Exchange *exchange;
    LiveQuestion question;
    Arena arena;
    Str key;
} Arrival;

static void begin(Exchange *exchange)
{
    const Response response = {
        .status = 200, .content_type = STR("text/event-stream"), .cache_control = STR("no-store")};

    exchange_begin(exchange, &response);
}

static void refuse(Live *live, Exchange *exchange)
{
    Response response = {.status = 503,
                         .content_type = STR("application/json"),
                         .retry_after_s = LIVE_BEHIND_MAX_MS / 1000};

    atomic_fetch_add(&live->refused, 1);
    buf_append_str(&response.body,
                   STR("{\"error\":{\"code\":\"busy\",\"message\":\"too many different live maps\","
                       "\"hint\":\"ask the same question as the others, or /api/v1/map\"}}"));
    exchange_respond(exchange, &response);
}

static void on_arrival(void *context)
{
    Arrival *arrival = context;
    Live *live = arrival->live;
    Channel *channel = channel_find(live, arrival->key);

    if (atomic_load(&live->stopped) || (channel == NULL && live->n_channels == LIVE_CHANNELS_MAX)) {
        atomic_fetch_sub(&live->readers, 1);
        refuse(live, arrival->exchange);
    } else {
        Reader *reader = NEW(Reader);

        channel = channel != NULL ? channel : channel_new(live, &arrival->question, arrival->key);
        reader->exchange = arrival->exchange;
        reader->wants_whole =
            channel->event_id[0] == '\0' ||
            !str_equal(str_from_cstr(channel->event_id), arrival->question.last_event_id);
        LIST_INSERT_HEAD(&channel->readers, reader, others);
        begin(reader->exchange);
        if (send_bytes(live, reader, STR("retry: 1000\n\n"))) {
            tick_channel(live, channel);
        }
        if (LIST_EMPTY(&channel->readers)) {
            drop_channel(live, channel);
        }
    }
    arena_deinit(&arrival->arena);
    mem_free(arrival);
}

int live_add(Live *live, Exchange *exchange, const LiveQuestion *question)
{
    CLEANUP(buf_deinit) Buf key = {0};

    if (atomic_load(&live->stopped) || atomic_fetch_add(&live->readers, 1) >= LIVE_READERS_MAX) {
        atomic_fetch_sub(&live->readers, !atomic_load(&live->stopped));
        atomic_fetch_add(&live->refused, 1);
        return 1;
    }
    Arrival *arrival = NEW(Arrival);
    MapQuestion *filters = &arrival->question.filters;

    question_key(question, &key);
    arrival->live = live;
    arrival->exchange = exchange;
    arrival->question = *question;
    arrival->key = arena_copy(&arrival->arena, buf_str(&key));
    arrival->question.last_event_id = arena_copy(&arrival->arena, question->last_event_id);
    filters->scope = arena_copy(&arrival->arena, filters->scope);
    filters->environment = arena_copy(&arrival->arena, filters->environment);
    filters->namespace = arena_copy(&arrival->arena, filters->namespace);
    filters->focus = arena_copy(&arrival->arena, filters->focus);
    filters->flow = arena_copy(&arrival->arena, filters->flow);
    loop_post(live->loop, on_arrival, arrival);
    return 0;
}

int live_new(const LiveOptions *options, Live **ret_live)
{
    Live *live = NEW(Live);
    LiveOptions *own = &live->options;

    *own = *options;
    own->period_ms = own->period_ms == 0 ? LIVE_PERIOD_MS : own->period_ms;
    own->heartbeat_ms = own->heartbeat_ms == 0 ? LIVE_HEARTBEAT_MS : own->heartbeat_ms;
    own->behind_max_ms = own->behind_max_ms == 0 ? LIVE_BEHIND_MAX_MS : own->behind_max_ms;
    live->started_ns = clock_realtime_ns(options->clock);
    int r = loop_new("live", &live->loop);
    if (r == 0) {
        r = loop_timer_new(live->loop, own->period_ms, on_tick, live, &live->timer);
        r = r != 0 ? r : loop_start(live->loop);
        if (r != 0) {
            loop_free(live->loop);
        }
    }
    if (r != 0) {
        mem_free(live);
        return r;
    }
    *ret_live = live;
    return 0;
}

static void on_stop(void *context)
{
    Live *live = context;

    while (!LIST_EMPTY(&live->channels)) {
        drop_channel(live, LIST_FIRST(&live->channels));
    }
}

void live_stop(Live *live)
{
    if (!atomic_exchange(&live->stopped, true)) {
        loop_post(live->loop, on_stop, live);
    }
}

/* The timer's life ends with its loop's thread. */
static void on_free(void *context)
{
    Live *live = context;

    live->timer = loop_timer_free(live->timer);
}

Live *live_free(Live *live)
{
    if (live != NULL) {
        live_stop(live);
        loop_post(live->loop, on_free, live);
        loop_free(live->loop);
        mem_free(live);
    }
    return NULL;
}

void live_status(const Live *live, LiveStatus *ret_status)
{
    *ret_status = (LiveStatus){.readers = atomic_load(&live->readers),
                               .refused = atomic_load(&live->refused),
                               .cut_off = atomic_load(&live->cut_off),
                               .events = atomic_load(&live->events)};
}
