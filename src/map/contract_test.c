// SPDX-License-Identifier: Apache-2.0

/*
 * CONTRACT.md sentence by sentence, in small worlds written as text. A span is a line
 *
 *     SPAN<PARENT SERVICE KIND NAME key=value … ->TRACE/SPAN … !
 *
 * with ids of one character (no parent: `-`), a trailing `!` for an error; lines of one trace come
 * together, `trace X` starts another. What must come out is a line per edge, hop, proof … with its
 * count; only the kinds that a test names are compared.
 */
#include "map/contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"

enum { SPANS_MAX = 32, TRACES_MAX = 8, LINES_MAX = 64 };

typedef struct World {
    Arena arena;
    Span spans[TRACES_MAX][SPANS_MAX];
    ContractTrace traces[TRACES_MAX];
    size_t n_traces;
    Symbols lines;
    uint64_t counts[LINES_MAX];
} World;

static TraceId trace_of(char name)
{
    return (TraceId){{(uint8_t)name}};
}

static SpanId span_of(char name)
{
    return (SpanId){{name == '-' ? 0 : (uint8_t)name}};
}

static void read_words(World *world, Str words, Span *span)
{
    Attribute *attributes = ARENA_ARRAY(&world->arena, Attribute, 16);
    Link *links = ARENA_ARRAY(&world->arena, Link, 4);
    Str word;

    while (words.len > 0) {
        Str key;
        Str value;

        str_split(words, ' ', &word, &words);
        if (str_equal(word, STR("!"))) {
            span->status_code = STATUS_ERROR;
        } else if (str_starts_with(word, STR("->"))) {
            links[span->n_links++] =
                (Link){.trace_id = trace_of(word.ptr[2]), .span_id = span_of(word.ptr[4])};
        } else if (str_split(word, '=', &key, &value)) {
            Str copy = arena_copy(&world->arena, value);
            for (size_t i = 0; i < copy.len; i++) { /* spaces are written as ~ */
                if (copy.ptr[i] == '~') {
                    ((char *)copy.ptr)[i] = ' ';
                }
            }
            attributes[span->attributes.count++] =
                (Attribute){.key = key, .value = value_string(copy)};
        }
    }
    span->attributes.items = attributes;
    span->links = links;
}

/* One resource per service: "@x" behind its name is another of the same service. */
static const Resource *resource_of(World *world, Str service)
{
    Attribute *attributes = ARENA_ARRAY(&world->arena, Attribute, 3);
    Resource *resource = ARENA_NEW(&world->arena, Resource);
    Str name;
    Str host;
    Str environment = {0};

    str_split(service, '@', &name, &host);
    str_split(name, '#', &name, &environment);
    attributes[0] = (Attribute){STR("service.name"), value_string(name)};
    attributes[1] = (Attribute){STR("host"), value_string(host)};
    attributes[2] = (Attribute){STR("deployment.environment"), value_string(environment)};
    resource->attributes = (Attributes){.items = attributes, .count = 3};
    return resource;
}

static void read_span(World *world, Str line)
{
    static const Scope scope;
    ContractTrace *trace = &world->traces[world->n_traces - 1];
    Span *span = &world->spans[world->n_traces - 1][trace->n_spans++];
    Str ids;
    Str service;
    Str kind;
    SpanKind parsed;

    str_split(line, ' ', &ids, &line);
    str_split(line, ' ', &service, &line);
    str_split(line, ' ', &kind, &line);
    assert_int_equal(span_kind_parse(kind, &parsed), 0);
    *span = (Span){.trace_id = trace->id,
                   .span_id = span_of(ids.ptr[0]),
                   .parent_span_id = span_of(ids.ptr[2]),
                   .kind = (uint8_t)parsed,
                   .resource = resource_of(world, service),
                   .scope = &scope};
    str_split(line, ' ', &span->name, &line);
    span->start_ns = 600000000000 + (uint64_t)trace->n_spans;
    span->end_ns = span->start_ns + 1000;
    read_words(world, line, span);
}

static void read_world(World *world, const char *text)
{
    Str rest = str_from_cstr(text);
    Str line;

    world->n_traces = 1;
    world->traces[0] = (ContractTrace){.id = trace_of('A'), .spans = world->spans[0]};
    while (rest.len > 0) {
        str_split(rest, '\n', &line, &rest);
        if (str_starts_with(line, STR("trace "))) {
            world->traces[world->n_traces] = (ContractTrace){
                .id = trace_of(line.ptr[6]), .spans = world->spans[world->n_traces]};
            world->n_traces++;
        } else {
            read_span(world, line);
        }
    }
}

static void append_node(Buf *buf, Str bytes)
{
    NodeKey key;

    assert_int_equal(node_key_parse(bytes, &key), 0);
    if (key.type == NODE_DATABASE || key.type == NODE_TABLE) {
        buf_append_format(buf, "%.*s/%.*s", STR_ARG(key.system), STR_ARG(key.namespace));
    }
    if (key.type == NODE_TABLE) {
        buf_append_format(buf, ":%.*s", STR_ARG(key.part));
    }
    buf_append_format(buf, key.type == NODE_NAME ? "(%.*s)" : "%.*s", STR_ARG(key.name));
    if (key.type == NODE_STEP) {
        buf_append_format(buf, "/%.*s", STR_ARG(key.part));
    }
    if (key.environment.len > 0) {
        buf_append_format(buf, "#%.*s", STR_ARG(key.environment));
    }
}

static void append_delta(Buf *buf, const Delta *delta)
{
    static const char *const kinds[] = {
        [DELTA_EDGE] = "edge",
        [DELTA_HOP] = "hop",
        [DELTA_REQUEST] = "entry",
        [DELTA_PROOF] = "proof",
        [DELTA_UNRESOLVED] = "unresolved",
        [DELTA_ORPHAN] = "orphan",
        [DELTA_FINDING] = "finding",
        [DELTA_LABEL] = "label",
        [DELTA_SPAN] = "span",
        [DELTA_NO_FLOW] = "lost",
    };

    buf_append_format(buf, "%s ", kinds[delta->kind]);
    append_node(buf, delta->source);
    if (delta->kind == DELTA_EDGE) {
        buf_append_format(buf, " %.*s", STR_ARG(relation_name(delta->relation)));
    }
    if (delta->via.len > 0) {
        buf_append_byte(buf, ' ');
        append_node(buf, delta->via);
    }
    if (delta->target.len > 0) {
        buf_append_byte(buf, ' ');
        append_node(buf, delta->target);
    }
    if (delta->kind == DELTA_EDGE) {
        buf_append_format(buf, " %.*s", STR_ARG(rule_name(delta->rule)));
    }
    if (delta->errors > 0) {
        buf_append_str(buf, STR(" !"));
    }
    if (delta->step.len > 0) {
        buf_append_byte(buf, ' ');
        append_node(buf, delta->flow);
        buf_append_format(buf, "#%.*s", STR_ARG(delta->step));
    }
}

static void contribute(World *world, Str kinds)
{
    Deltas deltas = {.arena = &world->arena};

    for (size_t i = 0; i < world->n_traces; i++) {
        ContractTrace *trace = &world->traces[i];
        trace->n_spans = spans_deduplicate(world->spans[i], trace->n_spans);
    }
    for (size_t i = 0; i < world->n_traces; i++) { /* itself and twice the same are harmless */
        contract_contribution(&world->traces[i], world->traces, world->n_traces, &deltas);
    }
    for (size_t i = 0; i < deltas.count; i++) {
        CLEANUP(buf_deinit) Buf line = {0};
        Str kind;
        Str rest;

        append_delta(&line, &deltas.items[i]);
        str_split(buf_str(&line), ' ', &kind, &rest);
        if (str_find(kinds, kind) < kinds.len) {
            uint32_t symbol = symbols_intern(&world->lines, buf_str(&line));
            assert_true(symbol < LINES_MAX);
            world->counts[symbol] += deltas.items[i].count;
        }
    }
}

static int compare_lines(const void *a, const void *b)
{
    return str_compare(*(const Str *)a, *(const Str *)b);
}

/* @expected: the lines with their counts, sorted, of the @kinds. */
static void assert_gives(const char *kinds, const char *text, const char *expected)
{
    World *world = NEW(World);
    Buf got = {0};
    Str lines[LINES_MAX];
    size_t n;

    read_world(world, text);
    contribute(world, str_from_cstr(kinds));
    n = symbols_count(&world->lines);
    for (uint32_t i = 0; i < n; i++) {
        lines[i] = arena_format(&world->arena, "%.*s %llu", STR_ARG(symbols_get(&world->lines, i)),
                                (unsigned long long)world->counts[i]);
    }
    qsort(lines, n, sizeof(lines[0]), compare_lines);
    for (size_t i = 0; i < n; i++) {
        buf_append_format(&got, "%s%.*s", i == 0 ? "" : "\n", STR_ARG(lines[i]));
    }
    if (!str_equal(buf_str(&got), str_from_cstr(expected))) {
        fail_msg("%s\ngave\n%s\nnot\n%s", text, buf_cstr(&got), expected);
    }
    buf_deinit(&got);
    symbols_deinit(&world->lines);
    arena_deinit(&world->arena);
    mem_free(world);
}

static void test_calls_are_paired(void **state)
{
    (void)state;
    assert_gives("edge", "a<- web client x\nb<a cart server x", "edge web calls cart paired 1");
    assert_gives("edge", "a<- web internal x\nb<a cart internal x", "edge web calls cart paired 1");
    assert_gives("edge", "a<- web client x\nb<a web server x", "edge web calls web paired 1");
    assert_gives("edge", "a<- web internal x\nb<a web server x", "");
    assert_gives("edge", "a<- h internal x service.name=web\nb<a h internal x service.name=cart",
                 "");
    assert_gives("edge", "a<- h internal x service.name=web\nb<a h server x service.name=cart",
                 "edge web calls cart paired 1");
    assert_gives("edge", "a<- web client x\na<- cart server x", "edge web calls cart paired 1");
    assert_gives("edge", "a<- web#p client x\nb<a web#s server x",
                 "edge web#p calls web#s paired 1");
    assert_gives("edge", "a<- web producer x\nb<a cart consumer x",
                 "edge web calls cart paired-async 1");
    assert_gives("edge", "a<- web client x\nb<a cart consumer x", "");
}

static void test_errors_of_paired_calls(void **state)
{
    (void)state;
    assert_gives("edge", "a<- web client x !\nb<a cart server x", "edge web calls cart paired ! 1");
    assert_gives("edge", "a<- web internal x !\nb<a cart server x", "edge web calls cart paired 1");
    assert_gives("edge", "a<- web internal x\nb<a cart server x !",
                 "edge web calls cart paired ! 1");
}

static void test_unpaired_calls_speak_for_themselves(void **state)
{
    (void)state;
    assert_gives("edge unresolved",
                 "a<- web client x server.address=H server.port=81 peer.service=pay",
                 "edge web calls (pay) peer.service 1");
    assert_gives("edge", "a<- web client x server.address=H. rpc.service=r",
                 "edge web calls (h) server.address 1");
    assert_gives("edge", "a<- web client x rpc.method=/shop.Cart/Get http.host=x",
                 "edge web calls (shop.Cart) rpc.service 1");
    assert_gives("edge", "a<- web client x url.full=http://me@X:81/y",
                 "edge web calls (x:81) http.host 1");
    assert_gives("edge unresolved", "a<- web client x", "unresolved web 1");
    assert_gives("edge unresolved", "a<- web internal x server.address=h", "");
    assert_gives("edge", "a<- web internal x peer.service=pay",
                 "edge web calls (pay) peer.service 1");
}

static void test_transports_are_silent(void **state)
{
    (void)state;
    assert_gives("edge unresolved",
                 "a<- web client q db.system=redis\nb<a web client POST server.address=es\n"
                 "c<b web client tcp",
                 "edge web accesses redis/ db.name 1");
    assert_gives("edge",
                 "a<- web producer s messaging.system=kafka\nb<a web client x server.address=h",
                 "edge web publishes (unknown) messaging 1");
    assert_gives("edge",
                 "a<- web client q db.system=redis\nb<a web internal i\nc<b web client x "
                 "server.address=h",
                 "edge web accesses redis/ db.name 1\nedge web calls (h) server.address 1");
}

static void test_wrappers_lend_their_peer(void **state)
{
    (void)state;
    assert_gives("edge unresolved",
                 "a<- web client sdk peer.service=pay\nb<a web client try\nc<b web client http "
                 "server.address=h",
                 "edge web calls (pay) peer.service 1");
    assert_gives("edge",
                 "a<- web client sdk peer.service=pay\nb<a web client try !\nc<a web client try\n"
                 "d<c cart server x",
                 "edge web calls (pay) peer.service ! 1\nedge web calls cart paired 1");
    assert_gives("edge", "a<- web client sdk peer.service=pay\nb<a other@x internal i",
                 "edge web calls other paired 1");
}

static void test_addresses_of_paired_calls_are_proofs(void **state)
{
    (void)state;
    assert_gives("proof", "a<- web client x server.address=10.0.0.1\nb<a cart server x",
                 "proof (10.0.0.1) cart 1");
    assert_gives("proof", "a<- web client x http.host=H:81\nb<a cart server x",
                 "proof (h:81) cart 1");
    assert_gives("proof",
                 "a<- web client x server.address=127.0.0.9 http.host=h\nb<a cart server x", "");
    assert_gives("proof", "a<- web server x server.address=h\nb<a cart server x", "");
}

static void test_databases(void **state)
{
    (void)state;
    assert_gives("edge",
                 "a<- web client x db.system=mssql db.name=shop db.sql.table=t db.operation=SELECT",
                 "edge web reads microsoft.sql_server/shop:t db.explicit 1");
    assert_gives("edge", "a<- web client x db.system=pg db.query.summary=INSERT~\"a~b\"~SELECT~c~d",
                 "edge web reads pg/:c db.summary 1\nedge web reads pg/:d db.summary 1\n"
                 "edge web writes pg/:a b db.summary 1");
    assert_gives("edge", "a<- web client x db.system=pg db.query.summary=SELECT~INSERT~t",
                 "edge web reads pg/ db.summary 1\nedge web writes pg/:t db.summary 1");
    assert_gives("edge", "a<- web client x db.system=pg db.statement=SELECT~1~FROM~t,t",
                 "edge web reads pg/:t db.text 1");
    assert_gives("edge", "a<- web client SELECT db.system=pg db.operation=PING",
                 "edge web reads pg/ db.name 1");
    assert_gives("edge",
                 "a<- web client x db.system=pg\nb<a web internal i\nc<b web client y db.system=pg",
                 "edge web accesses pg/ db.name 1");
    assert_gives(
        "edge",
        "a<- web client x db.system=pg\nb<a web client y db.system=redis\nc<b o@h client y "
        "db.system=pg",
        "edge o accesses pg/ db.name 1\nedge web accesses pg/ db.name 1\n"
        "edge web accesses redis/ db.name 1");
    assert_gives("edge", "a<- web server x db.system=pg\nb<a web consumer x db.system=pg", "");
}

#define MESSAGE(operation, queue)                                                                  \
    " messaging.system=k messaging.operation.type=" operation " messaging.destination.name=" queue

static void test_messages_and_hops(void **state)
{
    (void)state;
    assert_gives(
        "edge hop",
        "a<- web producer x" MESSAGE("send", "q") "\ntrace B\n"
                                                  "a<- mail consumer x" MESSAGE("process",
                                                                                "q") " ->A/a ->A/a",
        "edge mail consumes q messaging 1\nedge web publishes q messaging 1\nhop web q mail 1");
    assert_gives(
        "edge hop",
        "a<- web producer x" MESSAGE("SEND", "q") "\nb<a mail consumer x" MESSAGE("settle", "q"),
        "edge web publishes q messaging 1");
    assert_gives(
        "edge", "a<- web client x" MESSAGE("what", "q") "\nb<- web producer x" MESSAGE("what", "r"),
        "edge web publishes r messaging 1");
    assert_gives("edge",
                 "a<- web producer x" MESSAGE("send", "q") " messaging.destination.anonymous=true",
                 "edge web publishes (temporary) messaging 1");
}

static void test_receives_above_processes_are_silent(void **state)
{
    (void)state;
    assert_gives("edge",
                 "a<- m client x" MESSAGE(
                     "receive", "q") "\nb<a m internal i\nc<b m consumer x" MESSAGE("process", "q"),
                 "edge m consumes q messaging 1");
    assert_gives(
        "edge",
        "a<- m client x" MESSAGE("receive", "q") "\nb<a m consumer x" MESSAGE("process", "r"),
        "edge m consumes q messaging 1\nedge m consumes r messaging 1");
    assert_gives("edge hop",
                 "p<- web producer x" MESSAGE("send", "q") "\ntrace B\na<- m client x" MESSAGE(
                     "receive", "q") " ->A/p\n"
                                     "trace C\nb<- m consumer x" MESSAGE("process", "q") " ->A/p",
                 "edge m consumes q messaging 1\nedge web publishes q messaging 1\nhop web q m 1");
    assert_gives(
        "edge hop",
        "p<- web producer x" MESSAGE("send", "q") "\nr<- web producer x" MESSAGE(
            "send",
            "q") "\ntrace B\na<- m client x" MESSAGE("receive",
                                                     "q") " ->A/p ->A/r\n"
                                                          "trace C\nb<- m consumer x" MESSAGE(
                                                              "process", "q") " ->A/p",
        "edge m consumes q messaging 2\nedge web publishes q messaging 2\nhop web q m 2");
}

static void test_creates_are_told_by_their_send(void **state)
{
    (void)state;
    assert_gives(
        "edge",
        "a<- web producer x" MESSAGE("create", "q") "\nb<a web client x" MESSAGE("send", "q"),
        "edge web publishes q messaging 1");
    assert_gives(
        "edge",
        "a<- web client x" MESSAGE("publish", "q") "\nb<a web producer x" MESSAGE("create", "q"),
        "edge web publishes q messaging 1");
    assert_gives("edge",
                 "a<- web producer x" MESSAGE("create", "q") "\ntrace B\nb<- web client x" MESSAGE(
                     "send", "q") " ->A/a",
                 "edge web publishes q messaging 1");
    assert_gives(
        "edge",
        "a<- web producer x" MESSAGE("create", "q") "\nb<a web client x" MESSAGE("send", "r"),
        "edge web publishes q messaging 1\nedge web publishes r messaging 1");
}

static void test_plain_spans_below_a_publisher_are_consumers(void **state)
{
    (void)state;
    assert_gives("edge hop", "a<- web producer x" MESSAGE("send", "q") "\nb<a mail internal job",
                 "edge mail consumes q inferred-consumer 1\nedge web publishes q messaging 1\nhop "
                 "web q mail 1");
    assert_gives(
        "edge hop",
        "a<- web producer x" MESSAGE(
            "send", "q") "\nb<a mail internal job\nc<b mail consumer x" MESSAGE("process", "q"),
        "edge mail consumes q messaging 1\nedge web publishes q messaging 1");
    assert_gives(
        "edge hop",
        "a<- web producer x" MESSAGE(
            "send", "q") "\nb<a mail internal job\nc<b mail consumer x" MESSAGE("process",
                                                                                "q") " ->A/a",
        "edge mail consumes q messaging 1\nedge web publishes q messaging 1\nhop web q mail 1");
    assert_gives("edge hop", "a<- web producer x" MESSAGE("send", "q") "\nb<a web internal job",
                 "edge web publishes q messaging 1");
}

static void test_entries_and_orphans(void **state)
{
    (void)state;
    assert_gives("entry orphan",
                 "a<- web internal x\nb<a web server x !\nc<b web internal x\nd<c o@h internal x",
                 "entry o 1\nentry web ! 1\nentry web 1");
    assert_gives("entry orphan", "a<z web internal x", "entry web 1\norphan web 1");
}

static void test_names_are_adopted_from_spans(void **state)
{
    (void)state;
    assert_gives(
        "entry",
        "a<- unknown_service:x internal x\nb<a unknown_service:x server x service.name=web",
        "entry web 2");
    assert_gives(
        "entry",
        "a<- unknown_service:x internal x\nb<a unknown_service:x server x service.name=web\n"
        "c<- unknown_service:x server x service.name=b",
        "entry b 1\nentry unknown_service:x 1\nentry web 1");
    assert_gives("entry", "a<- - internal x", "entry - 1");
}

static void test_relations_are_done_for_the_nearest_step(void **state)
{
    (void)state;
    assert_gives(
        "edge",
        "a<- web server x coordimap.flow.name=order\nb<a web internal x coordimap.flow.step=pay\n"
        "c<b web client x peer.service=bank\nd<a web client x peer.service=mail",
        "edge web calls (bank) peer.service order#pay 1\nedge web calls (mail) peer.service 1\n"
        "edge web performs order/pay flow 1");
    assert_gives(
        "edge",
        "a<- web internal x coordimap.flow.name=f coordimap.flow.step=a\nb<a web client x\n"
        "c<b cart server x coordimap.flow.step=b",
        "edge cart performs f/b flow 1\nedge web calls cart paired f#a 1\n"
        "edge web performs f/a flow 1");
    assert_gives("edge lost", "b<- web client x coordimap.flow.step=b peer.service=p",
                 "edge web calls (p) peer.service 1\nlost web 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_are_paired),
        cmocka_unit_test(test_errors_of_paired_calls),
        cmocka_unit_test(test_unpaired_calls_speak_for_themselves),
        cmocka_unit_test(test_transports_are_silent),
        cmocka_unit_test(test_wrappers_lend_their_peer),
        cmocka_unit_test(test_addresses_of_paired_calls_are_proofs),
        cmocka_unit_test(test_databases),
        cmocka_unit_test(test_messages_and_hops),
        cmocka_unit_test(test_receives_above_processes_are_silent),
        cmocka_unit_test(test_creates_are_told_by_their_send),
        cmocka_unit_test(test_plain_spans_below_a_publisher_are_consumers),
        cmocka_unit_test(test_entries_and_orphans),
        cmocka_unit_test(test_names_are_adopted_from_spans),
        cmocka_unit_test(test_relations_are_done_for_the_nearest_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
