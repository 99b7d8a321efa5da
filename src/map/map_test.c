// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"
#include "map/tiers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static void a_minute_of_an_edge_adds_up(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    for (uint32_t i = 0; i < 100; i++) {
        Delta *delta = fixture_call(&fixture, "web", "cart", TODAY + i % 2);

        delta->duration_ns = (i + 1) * 1000000;
        delta->errors = i % 10 == 0;
        delta->adjusted = 4 * ADJUSTED_ONE;
        delta->has_server_duration = true;
        delta->server_duration_ns = 500000;
    }
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_nodes, 2);
    assert_int_equal(answer.n_edges, 1);
    const MapEdge *edge = &answer.edges[0];
    assert_int_equal(edge->count, 100);
    assert_int_equal(edge->errors, 10);
    assert_true(edge->adjusted_count == 400);
    assert_int_equal(edge->rules[RULE_PAIRED], 100);
    assert_in_range(edge->duration.p50_ns, 49500000, 50500000);
    assert_in_range(edge->duration.p99_ns, 98010000, 99990000);
    assert_in_range(edge->server_duration.p50_ns, 495000, 505000);

    /* Half of it in a window of one minute; nothing in an empty one. */
    answer = fixture_ask(&fixture, (MapQuestion){.from_minute = TODAY, .to_minute = TODAY + 1});
    assert_int_equal(answer.edges[0].count, 50);
    answer = fixture_ask(&fixture, (MapQuestion){.from_minute = TODAY + 2});
    assert_int_equal(answer.n_nodes + answer.n_edges, 0);
    fixture_deinit(&fixture);
}

static void what_is_taken_back_was_never_there(void **state)
{
    Fixture fixture;
    MapStatus before, after;

    fixture_init(&fixture, NULL);
    fixture_call(&fixture, "web", "cart", TODAY);
    fixture_apply(&fixture);
    map_status(fixture.map, &before);
    Delta *delta = fixture_call(&fixture, "web", "mail", TODAY);
    delta->flow = flow(&fixture, "order");
    delta->step = STR("pay");
    fixture_take(&fixture, 1);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){0}).n_edges, 2);
    tiers_free(fixture.map, map_cut(fixture.map));
    fixture_take(&fixture, -1);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_edges, 1);
    assert_int_equal(answer.n_nodes, 2);
    map_status(fixture.map, &after);
    assert_int_equal(after.nodes, before.nodes);
    assert_int_equal(after.edge_minutes, before.edge_minutes);
    assert_true(after.version > before.version);
    fixture_deinit(&fixture);
}

static void an_edge_tells_for_which_step_it_was(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    for (int i = 0; i < 3; i++) {
        Delta *delta = fixture_call(&fixture, "web", "pay", TODAY);

        delta->flow = flow(&fixture, "order");
        delta->step = i == 0 ? STR("refund") : STR("charge");
    }
    fixture_call(&fixture, "web", "pay", TODAY);
    fixture_call(&fixture, "web", "mail", TODAY);
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){.flow = STR("order")});
    assert_int_equal(answer.n_edges, 1);
    assert_int_equal(answer.n_nodes, 2);
    assert_int_equal(answer.edges[0].count, 4);
    assert_int_equal(answer.edges[0].n_flows, 2);
    assert_true(str_equal(answer.edges[0].flows[0].step, STR("charge")));
    assert_int_equal(answer.edges[0].flows[0].count, 2);
    assert_int_equal(answer.edges[0].flows[1].count, 1);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){.flow = STR("none")}).n_nodes, 0);
    fixture_deinit(&fixture);
}

/* --- Presence, CONTRACT.md §5 --- */

static void five_empty_minutes_do_not_end_an_interval_and_six_do(void **state)
{
    Fixture fixture;
    Str web, cart;

    fixture_init(&fixture, NULL);
    web = service(&fixture, "web");
    cart = service(&fixture, "cart");
    fixture_call(&fixture, "web", "cart", TODAY);
    fixture_call(&fixture, "web", "cart", TODAY + 6);
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    const MapEdge *edge = answer_edge(&fixture, &answer, web, cart);
    assert_int_equal(edge->n_intervals, 1);
    assert_int_equal(edge->intervals[0].first_minute, TODAY);
    assert_int_equal(edge->intervals[0].last_minute, TODAY + 6);

    fixture_call(&fixture, "web", "cart", TODAY + 13);
    fixture_apply(&fixture);
    answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer_edge(&fixture, &answer, web, cart)->n_intervals, 2);

    /* One call in the middle of the gap joins them; taking it back parts them again. */
    fixture_call(&fixture, "web", "cart", TODAY + 9);
    fixture_take(&fixture, 1);
    answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer_edge(&fixture, &answer, web, cart)->n_intervals, 1);
    fixture_take(&fixture, -1);
    answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer_edge(&fixture, &answer, web, cart)->n_intervals, 2);

    /* The interval that touches the window, not clipped to it. */
    answer = fixture_ask(&fixture, (MapQuestion){.from_minute = TODAY + 6, .to_minute = TODAY + 7});
    edge = answer_edge(&fixture, &answer, web, cart);
    assert_int_equal(edge->n_intervals, 1);
    assert_int_equal(edge->intervals[0].first_minute, TODAY);
    fixture_deinit(&fixture);
}

static void intervals_are_those_of_all_rules_together(void **state)
{
    Fixture fixture;
    Str web, cart;

    fixture_init(&fixture, &(MapOptions){.presence_gap_minutes = 1});
    web = service(&fixture, "web");
    cart = service(&fixture, "cart");
    for (uint32_t i = 0; i < 40; i += 4) {
        fixture_call(&fixture, "web", "cart", TODAY + i);
        fixture_unpaired(&fixture, web, "cart", RULE_PEER_SERVICE, TODAY + i + 2);
    }
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){.to_minute = TODAY + 1});
    const MapEdge *edge = answer_edge(&fixture, &answer, web, cart);
    assert_int_equal(edge->n_intervals, 1);
    assert_int_equal(edge->intervals[0].last_minute, TODAY + 38);
    fixture_deinit(&fixture);
}

/* --- Names, CONTRACT.md §4 --- */

static void names_of_known_services_are_those_services(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Str web = service(&fixture, "web"), cart = service(&fixture, "Cart");
    fixture_span(&fixture, cart, TODAY);
    fixture_unpaired(&fixture, web, "Cart", RULE_PEER_SERVICE, TODAY);
    fixture_unpaired(&fixture, web, "cart", RULE_RPC_SERVICE, TODAY);
    fixture_unpaired(&fixture, web, "cart:8080", RULE_SERVER_ADDRESS, TODAY);
    fixture_unpaired(&fixture, web, "cart.shop.svc.cluster.local:9", RULE_HTTP_HOST, TODAY);
    fixture_unpaired(&fixture, web, "cart.shop.svc", RULE_SERVER_ADDRESS, TODAY);
    fixture_unpaired(&fixture, web, "cart:8080", RULE_PEER_SERVICE,
                     TODAY); /* ports: addresses only */
    fixture_unpaired(&fixture, web, "cart.example.com", RULE_SERVER_ADDRESS, TODAY);
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    const MapEdge *edge = answer_edge(&fixture, &answer, web, cart);
    assert_int_equal(edge->count, 5);
    assert_int_equal(edge->rules[RULE_PEER_SERVICE], 1);
    assert_int_equal(edge->rules[RULE_SERVER_ADDRESS], 2);
    assert_int_equal(edge->rules[RULE_HTTP_HOST], 1);
    assert_non_null(answer_edge(&fixture, &answer, web, external(&fixture, "cart:8080")));
    assert_non_null(answer_edge(&fixture, &answer, web, external(&fixture, "cart.example.com")));

    /* resolve=false leaves them as they are spelled. */
    answer = fixture_ask(&fixture, (MapQuestion){.unresolved_names = true});
    assert_null(answer_edge(&fixture, &answer, web, cart));
    assert_int_equal(answer_edge(&fixture, &answer, web, external(&fixture, "cart:8080"))->count,
                     2);
    fixture_deinit(&fixture);
}

static void known_means_known_at_any_time_and_no_longer_when_taken_back(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Str web = service(&fixture, "web"), cart = service(&fixture, "cart");
    fixture_unpaired(&fixture, web, "cart", RULE_PEER_SERVICE, TODAY);
    fixture_apply(&fixture);
    fixture_span(&fixture, cart, TODAY + 100000);
    fixture_take(&fixture, 1);
    MapQuestion hour = {.from_minute = TODAY, .to_minute = TODAY + 60};
    MapAnswer answer = fixture_ask(&fixture, hour);
    assert_non_null(answer_edge(&fixture, &answer, web, cart));
    fixture_take(&fixture, -1);
    answer = fixture_ask(&fixture, hour);
    assert_null(answer_edge(&fixture, &answer, web, cart));
    assert_non_null(answer_edge(&fixture, &answer, web, external(&fixture, "cart")));
    fixture_deinit(&fixture);
}

static void exact_names_win_and_namespaces_decide(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Str web = service_in(&fixture, "web", "a");
    fixture_span(&fixture, service_in(&fixture, "cart", "b"), TODAY);
    fixture_span(&fixture, service_in(&fixture, "CART", "a"), TODAY);
    fixture_span(&fixture, service_in(&fixture, "mail", "b"), TODAY);
    fixture_span(&fixture, service(&fixture, "mail"), TODAY);
    fixture_span(&fixture, service_in(&fixture, "pay", "a"), TODAY);
    fixture_span(&fixture, service_in(&fixture, "pay", "b"), TODAY);
    fixture_unpaired(&fixture, web, "cart", RULE_PEER_SERVICE, TODAY);
    fixture_unpaired(&fixture, web, "mail", RULE_PEER_SERVICE, TODAY);
    fixture_unpaired(&fixture, web, "pay", RULE_PEER_SERVICE, TODAY);
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_non_null(answer_edge(&fixture, &answer, web, service_in(&fixture, "cart", "b")));
    assert_non_null(answer_edge(&fixture, &answer, web, external(&fixture, "mail")));
    assert_non_null(answer_edge(&fixture, &answer, web, service_in(&fixture, "pay", "a")));
    assert_int_equal(answer.n_edges, 3);
    fixture_deinit(&fixture);
}

static void other_scopes_and_environments_are_other_worlds(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Str web = service(&fixture, "web");
    Str cart = fixture_key(
        &fixture, (NodeKey){.type = NODE_SERVICE, .environment = STR("test"), .name = STR("cart")});
    fixture_span(&fixture, cart, TODAY);
    fixture_unpaired(&fixture, web, "cart", RULE_PEER_SERVICE, TODAY);
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_non_null(answer_edge(&fixture, &answer, web, external(&fixture, "cart")));
    fixture_deinit(&fixture);
}

static void an_address_means_what_the_latest_day_up_to_the_call_proved(void **state)
{
    enum { DAY = TODAY / 1440 };
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Str web = service(&fixture, "web"), cart = service(&fixture, "cart"),
        mail = service(&fixture, "mail");
    fixture_proof(&fixture, "10.0.0.1", cart, DAY + 1);
    fixture_proof(&fixture, "10.0.0.1", mail, DAY + 3);
    fixture_proof(&fixture, "10.0.0.1", cart, DAY + 5);
    fixture_proof(&fixture, "10.0.0.1", mail, DAY + 5);
    for (uint32_t day = 0; day < 8; day++) {
        fixture_unpaired(&fixture, web, "10.0.0.1", RULE_SERVER_ADDRESS, TODAY + day * 1440 + 700);
    }
    fixture_unpaired(&fixture, web, "10.0.0.1", RULE_PEER_SERVICE, TODAY + 1440);
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    /* Before any proof the earliest later one counts: days 0, 1, 2. Then mail on 3 and 4. */
    const MapEdge *to_cart = answer_edge(&fixture, &answer, web, cart);
    assert_int_equal(to_cart->count, 3);
    assert_int_equal(to_cart->n_intervals, 3);
    assert_int_equal(to_cart->intervals[2].first_minute, TODAY + 2 * 1440 + 700);
    assert_int_equal(answer_edge(&fixture, &answer, web, mail)->count, 2);
    /* Two on one day prove nothing: days 5 to 7, and the peer.service, which is never looked up. */
    assert_int_equal(answer_edge(&fixture, &answer, web, external(&fixture, "10.0.0.1"))->count, 4);
    const MapNode *node = answer_node(&fixture, &answer, external(&fixture, "10.0.0.1"));
    assert_int_equal(node->first_minute, TODAY + 1440);
    answer = fixture_ask(
        &fixture, (MapQuestion){.from_minute = TODAY + 3 * 1440, .to_minute = TODAY + 4 * 1440});
    assert_int_equal(answer.n_edges, 1);
    assert_non_null(answer_edge(&fixture, &answer, web, mail));
    fixture_deinit(&fixture);
}

/* --- Nodes, filters, focus, limits --- */

static void add_hop(Fixture *fixture, Str producer, Str via, Str consumer, uint64_t age_ns)
{
    Delta *delta = deltas_add(&fixture->deltas);

    delta->kind = DELTA_HOP;
    delta->source = producer;
    delta->via = via;
    delta->target = consumer;
    delta->minute = TODAY;
    delta->count = 1;
    delta->has_duration = true;
    delta->duration_ns = age_ns;
}

static void add_request(Fixture *fixture, Str of, Str name, uint32_t count, uint32_t errors)
{
    Delta *delta = deltas_add(&fixture->deltas);

    delta->kind = DELTA_REQUEST;
    delta->source = of;
    delta->name = name;
    delta->minute = TODAY;
    delta->count = count;
    delta->errors = errors;
    delta->has_duration = true;
    delta->duration_ns = 2000000;
}

/* web → shop → (orders, carts) and shop → queue → mail; cron alone. */
static void build_shop(Fixture *fixture)
{
    Str shop = service(fixture, "shop"), mails = queue(fixture, "mails"),
        mail = service(fixture, "mail");

    fixture_call(fixture, "web", "shop", TODAY);
    fixture_edge(fixture, shop, RELATION_WRITES, table(fixture, "orders"), RULE_DB_TEXT, TODAY);
    fixture_edge(fixture, shop, RELATION_READS, table(fixture, "carts"), RULE_DB_TEXT, TODAY);
    fixture_edge(fixture, shop, RELATION_PUBLISHES, mails, RULE_MESSAGING, TODAY);
    fixture_edge(fixture, mail, RELATION_CONSUMES, mails, RULE_MESSAGING, TODAY);
    add_hop(fixture, shop, mails, mail, 5000000);
    add_request(fixture, shop, STR("POST /orders"), 4, 1);
    add_request(fixture, shop, STR("GET /carts"), 2, 0);
    add_request(fixture, service(fixture, "cron"), STR("run"), 1, 0);
    fixture_apply(fixture);
}

static void nodes_are_what_edges_hops_and_requests_name_and_the_parents_of_tables(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    Str database = fixture_key(&fixture, (NodeKey){.type = NODE_DATABASE,
                                                   .system = STR("postgresql"),
                                                   .address = STR("db"),
                                                   .namespace = STR("shop")});
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_nodes, 8);
    assert_int_equal(answer.n_edges, 5);
    const MapNode *orders = answer_node(&fixture, &answer, table(&fixture, "orders"));
    assert_true(str_equal(orders->parent, fixture_id(&fixture, database)));
    assert_int_equal(answer_node(&fixture, &answer, database)->first_minute, TODAY);
    const MapNode *shop = answer_node(&fixture, &answer, service(&fixture, "shop"));
    assert_int_equal(shop->requests, 6);
    assert_int_equal(shop->errors, 1);
    assert_in_range(shop->duration.p50_ns, 1980000, 2020000);
    assert_int_equal(answer.n_hops, 1);
    assert_int_equal(answer.hops[0].count, 1);
    assert_true(&answer.nodes[answer.hops[0].producer] == shop);
    assert_in_range(answer.hops[0].age.p99_ns, 4950000, 5050000);
    for (size_t i = 1; i < answer.n_nodes; i++) {
        assert_true(str_compare(answer.nodes[i - 1].id, answer.nodes[i].id) < 0);
    }

    const Str services[] = {STR("shop"), STR("nobody")};
    MapOperation *operations;
    size_t n;
    assert_int_equal(map_operations(fixture.map,
                                    &(MapOperationsQuestion){&services[0], 1, 0, UINT32_MAX},
                                    &fixture.arena, &operations, &n),
                     0);
    assert_int_equal(n, 2);
    assert_true(str_equal(operations[1].name, STR("POST /orders")));
    assert_int_equal(operations[1].requests, 4);
    assert_int_equal(map_operations(fixture.map,
                                    &(MapOperationsQuestion){&services[1], 1, 0, UINT32_MAX},
                                    &fixture.arena, &operations, &n),
                     MAP_NO_SUCH_NODE);
    assert_int_equal(map_operations(fixture.map,
                                    &(MapOperationsQuestion){services, 2, 0, UINT32_MAX},
                                    &fixture.arena, &operations, &n),
                     0);
    assert_int_equal(n, 2);
    fixture_deinit(&fixture);
}

static void operations_take_memory_by_what_is_asked(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const Str cart = STR("cart");
    MapOperation *operations;
    Fixture fixture;
    size_t n;

    fixture_init(&fixture, NULL);
    for (uint32_t i = 0; i <= 5000; i++) {
        CLEANUP(buf_deinit) Buf name = {0};

        buf_append_format(&name, "operation-%u", i);
        Delta *delta = fixture_call(&fixture, i == 0 ? "cart" : "web", "", TODAY);
        delta->kind = DELTA_REQUEST;
        delta->name = arena_copy(&fixture.arena, buf_str(&name));
    }
    fixture_apply(&fixture);
    assert_int_equal(map_operations(fixture.map, &(MapOperationsQuestion){&cart, 1, 0, UINT32_MAX},
                                    &arena, &operations, &n),
                     0);
    assert_int_equal(n, 1);
    assert_in_range(arena.allocated, 1, 5000 * sizeof(MapOperation) / 4);
    fixture_deinit(&fixture);
}

static void filters_leave_edges_only_between_what_stays(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){.types = 1U << NODE_SERVICE});
    assert_int_equal(answer.n_nodes, 4);
    assert_int_equal(answer.n_edges, 1);
    assert_int_equal(answer.n_hops, 0);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){.scope = STR("default")}).n_nodes, 8);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){.scope = STR("other")}).n_nodes, 0);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){.has_environment = true}).n_nodes, 8);
    assert_int_equal(
        fixture_ask(&fixture, (MapQuestion){.has_environment = true, .environment = STR("test")})
            .n_nodes,
        0);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){.namespace = STR("none")}).n_nodes, 0);
    fixture_deinit(&fixture);
}

static void focus_shows_a_node_and_its_neighbourhood(void **state)
{
    Fixture fixture;
    MapAnswer answer;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    Str web = fixture_id(&fixture, service(&fixture, "web"));
    answer = fixture_ask(&fixture, (MapQuestion){.focus = web});
    assert_int_equal(answer.n_nodes, 2);
    answer = fixture_ask(&fixture, (MapQuestion){.focus = web, .hops = 2});
    assert_int_equal(answer.n_nodes, 6); /* tables, their database, the queue */
    answer = fixture_ask(&fixture, (MapQuestion){.focus = web, .hops = 3});
    assert_int_equal(answer.n_nodes, 7);
    assert_int_equal(answer.n_hops, 1);
    MapQuestion question = {.to_minute = UINT32_MAX, .focus = STR("nobody")};
    assert_int_equal(map_ask(fixture.map, &question, &fixture.arena, &answer), MAP_NO_SUCH_NODE);
    question = (MapQuestion){.from_minute = TODAY + 5, .to_minute = TODAY + 6, .focus = web};
    assert_int_equal(map_ask(fixture.map, &question, &fixture.arena, &answer), MAP_NO_SUCH_NODE);
    fixture_deinit(&fixture);
}

/* The queue's edges and its hop each stand in their own minutes. */
static void focus_reaches_over_a_hop_whose_publishing_was_earlier(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Str shop = service(&fixture, "shop"), mail = service(&fixture, "mail"),
        mails = queue(&fixture, "mails");
    fixture_edge(&fixture, shop, RELATION_PUBLISHES, mails, RULE_MESSAGING, TODAY);
    fixture_edge(&fixture, mail, RELATION_CONSUMES, mails, RULE_MESSAGING, TODAY + 1);
    add_hop(&fixture, shop, mails, mail, 60000000000);
    fixture.deltas.items[fixture.deltas.count - 1].minute = TODAY + 1;
    fixture_apply(&fixture);
    const Str ends[] = {fixture_id(&fixture, mail), fixture_id(&fixture, mails),
                        fixture_id(&fixture, shop)};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        MapQuestion question = {
            .from_minute = TODAY + 1, .to_minute = TODAY + 2, .focus = ends[i], .hops = 2};
        MapAnswer answer;

        assert_int_equal(map_ask(fixture.map, &question, &fixture.arena, &answer), 0);
        assert_int_equal(answer.n_nodes, 3);
        assert_int_equal(answer.n_hops, 1);
    }
    fixture_deinit(&fixture);
}

static void the_rarest_fold_then_by_name(void **state)
{
    Fixture fixture;
    const char *names[] = {"a", "b", "c", "d", "e"};

    fixture_init(&fixture, &(MapOptions){.nodes_max = 4});
    for (uint32_t i = 0; i < 5; i++) {
        Delta *delta = fixture_call(&fixture, "web", names[i], TODAY);

        delta->count = i < 3 ? 1 : 10; /* a, b, c are equally rare */
    }
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_nodes, 4);
    assert_true(answer.truncated);
    assert_int_equal(answer.folded_nodes, 3);
    Str web = service(&fixture, "web");
    assert_int_equal(answer_edge(&fixture, &answer, web, service(&fixture, "(other)"))->count, 3);
    assert_non_null(answer_edge(&fixture, &answer, web, service(&fixture, "d")));
    assert_non_null(answer_edge(&fixture, &answer, web, service(&fixture, "e")));
    fixture_deinit(&fixture);

    fixture_init(&fixture, &(MapOptions){.edges_max = 3});
    for (uint32_t i = 0; i < 5; i++) {
        fixture_call(&fixture, "web", names[i], TODAY)->count = i + 1;
    }
    fixture_apply(&fixture);
    answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_edges, 3);
    assert_int_equal(answer.folded_edges, 3);
    uint64_t calls = 0;
    for (size_t i = 0; i < answer.n_edges; i++) {
        calls += answer.edges[i].count;
    }
    assert_int_equal(calls, 15);
    fixture_deinit(&fixture);
}

/* --- Evidence --- */

static void exemplars_do_not_depend_on_the_order_of_arrival(void **state)
{
    enum { N = 40 };
    Fixture fixture;
    MapExemplar first[3 * MAP_EXEMPLARS] = {0};

    for (uint32_t round = 0; round < 5; round++) {
        fixture_init(&fixture, NULL);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t at = (i * 7 + round * 11) % N;
            Delta *delta = fixture_call(&fixture, "web", "cart", TODAY + at % 10);

            delta->trace_id.bytes[1] = (uint8_t)at;
            delta->start_ns += at % 4;
            delta->duration_ns = (at * 13 % N) * 1000;
            delta->errors = at % 5 == 0;
            if (i % 9 == 0) {
                fixture_apply(&fixture);
                tiers_free(fixture.map, map_cut(fixture.map));
            }
        }
        fixture_apply(&fixture);
        MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
        const MapEdge *edge = &answer.edges[0];
        MapExemplar now[3 * MAP_EXEMPLARS];
        assert_int_equal(edge->n_latest + edge->n_error + edge->n_slowest, 3 * MAP_EXEMPLARS);
        mem_copy(now, edge->latest, sizeof(edge->latest));
        mem_copy(now + MAP_EXEMPLARS, edge->error, sizeof(edge->error));
        mem_copy(now + 2 * MAP_EXEMPLARS, edge->slowest, sizeof(edge->slowest));
        assert_int_equal(edge->slowest[0].duration_ns, (N - 1) * 1000);
        if (round > 0) {
            assert_int_equal(mem_compare(first, now, sizeof(now)), 0);
        }
        mem_copy(first, now, sizeof(now));
        fixture_deinit(&fixture);
    }
}

/* Three of each kind are kept of ten minutes: the other minutes are not without an example. */
static void a_short_window_has_exemplars_too(void **state)
{
    enum { N = 40 };
    Fixture fixture;

    fixture_init(&fixture, NULL);
    for (uint32_t i = 0; i < N; i++) {
        Delta *delta = fixture_call(&fixture, "web", "cart", TODAY + i % 10);

        delta->trace_id.bytes[1] = (uint8_t)i;
        delta->duration_ns = i * 1000;
        delta->errors = i % 5 == 0;
    }
    fixture_apply(&fixture);
    for (uint32_t minute = 0; minute < 10; minute++) {
        MapAnswer answer;
        MapQuestion question = {.from_minute = TODAY + minute, .to_minute = TODAY + minute + 1};

        assert_int_equal(map_ask(fixture.map, &question, &fixture.arena, &answer), 0);
        assert_int_equal(answer.n_edges, 1);
        const MapEdge *edge = &answer.edges[0];
        assert_int_equal(edge->count, N / 10);
        assert_true(edge->n_latest > 0 && edge->n_slowest > 0);
        assert_int_equal(edge->n_error > 0, edge->errors > 0);
    }
    fixture_deinit(&fixture);
}

static void series_tell_a_minute_or_more_at_a_time(void **state)
{
    Fixture fixture;
    MapPoint *points;
    size_t n;

    fixture_init(&fixture, NULL);
    for (uint32_t i = 0; i < 10; i++) {
        fixture_call(&fixture, "web", "cart", TODAY + i)->count = i + 1;
    }
    build_shop(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    Str id =
        answer_edge(&fixture, &answer, service(&fixture, "web"), service(&fixture, "cart"))->id;
    assert_int_equal(map_edge_series(fixture.map, id, &(MapSteps){TODAY - 1, TODAY + 10, 4},
                                     &fixture.arena, &points, &n),
                     0);
    assert_int_equal(n, 3);
    assert_int_equal(points[0].minute, TODAY - 1);
    assert_int_equal(points[0].count, 6);
    assert_int_equal(points[1].count, 4 + 5 + 6 + 7);
    assert_int_equal(points[2].count, 8 + 9 + 10);
    assert_true(points[0].duration.present);
    assert_int_equal(map_edge_series(fixture.map, STR("x"), &(MapSteps){TODAY, TODAY + 1, 1},
                                     &fixture.arena, &points, &n),
                     MAP_NO_SUCH_NODE);

    id = fixture_id(&fixture, service(&fixture, "shop"));
    assert_int_equal(map_node_series(fixture.map, id, &(MapSteps){TODAY, TODAY + 2, 1},
                                     &fixture.arena, &points, &n),
                     0);
    assert_int_equal(n, 2);
    assert_int_equal(points[0].count, 6);
    assert_int_equal(points[1].count, 0);
    id = fixture_id(&fixture, queue(&fixture, "mails"));
    assert_int_equal(map_node_series(fixture.map, id, &(MapSteps){TODAY, TODAY + 1, 1},
                                     &fixture.arena, &points, &n),
                     0);
    assert_int_equal(points[0].count, 2);
    fixture_deinit(&fixture);
}

static void findings_are_counted_with_an_example(void **state)
{
    Fixture fixture;
    MapFinding *findings;
    size_t n;

    fixture_init(&fixture, NULL);
    Str web = service(&fixture, "web");
    fixture_span(&fixture, web, TODAY)->count = 50;
    Delta *delta = fixture_span(&fixture, web, TODAY + 1);
    delta->kind = DELTA_ORPHAN;
    delta->count = 3;
    delta->trace_id.bytes[3] = 9;
    delta->start_ns = 1;
    fixture_apply(&fixture);
    map_findings(fixture.map, TODAY, TODAY + 10, &fixture.arena, &findings, &n);
    assert_int_equal(n, 1);
    assert_int_equal(findings[0].kind, DELTA_ORPHAN);
    assert_int_equal(findings[0].count, 3);
    assert_int_equal(findings[0].spans, 50);
    assert_int_equal(findings[0].example.bytes[3], 9);
    map_findings(fixture.map, TODAY + 2, TODAY + 10, &fixture.arena, &findings, &n);
    assert_int_equal(n, 0);
    fixture_deinit(&fixture);
}

/* --- A model: the sum of what was applied, whatever the order, the cuts and the files --- */

enum { MODEL_EDGES = 12, MODEL_MINUTES = 30 };

typedef struct Model {
    int64_t count[MODEL_EDGES][MODEL_MINUTES];
} Model;

static uint64_t random_state = 88172645463325252U;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

static Str model_node(Fixture *fixture, uint32_t number)
{
    char name[2] = {(char)('a' + number), 0};

    return service(fixture, name);
}

static void check_model(Fixture *fixture, const Model *model)
{
    for (uint32_t from = 0; from < MODEL_MINUTES; from += 7) {
        MapAnswer answer = fixture_ask(
            fixture, (MapQuestion){.from_minute = TODAY + from, .to_minute = TODAY + from + 7});
        size_t n_edges = 0;

        for (uint32_t i = 0; i < MODEL_EDGES; i++) {
            const MapEdge *edge = answer_edge(fixture, &answer, model_node(fixture, i),
                                              model_node(fixture, (i * 5 + 1) % MODEL_EDGES));
            int64_t count = 0;

            for (uint32_t k = from; k < from + 7 && k < MODEL_MINUTES; k++) {
                count += model->count[i][k];
            }
            assert_int_equal(edge == NULL ? 0 : edge->count, count);
            assert_true(edge == NULL || edge->adjusted_count == (double)count);
            n_edges += count > 0;
        }
        assert_int_equal(answer.n_edges, n_edges);
    }
}

static void any_order_of_adding_and_taking_back_gives_the_sums(void **state)
{
    enum { LIVE_MAX = 400 };
    struct {
        uint32_t edge, minute, duration;
    } live[LIVE_MAX];
    size_t n_live = 0;
    Fixture fixture;
    Model model = {0};

    fixture_init(&fixture, NULL);
    for (int step = 0; step < 4000; step++) {
        bool take = n_live == LIVE_MAX || (n_live > 0 && random_below(100) < 45);
        size_t at = take ? random_below((uint32_t)n_live) : n_live++;

        if (!take) {
            live[at].edge = random_below(MODEL_EDGES);
            live[at].minute = random_below(MODEL_MINUTES);
            live[at].duration = random_below(1000000);
        }
        Delta *delta = fixture_edge(&fixture, model_node(&fixture, live[at].edge), RELATION_CALLS,
                                    model_node(&fixture, (live[at].edge * 5 + 1) % MODEL_EDGES),
                                    RULE_PAIRED, TODAY + live[at].minute);
        delta->duration_ns = live[at].duration;
        model.count[live[at].edge][live[at].minute] += take ? -1 : 1;
        fixture_take(&fixture, take ? -1 : 1);
        fixture.deltas.count = 0;
        if (take) {
            live[at] = live[--n_live];
        }
        if (step % 97 == 0) {
            tiers_free(fixture.map, map_cut(fixture.map));
        }
        if (step % 400 == 399) {
            check_model(&fixture, &model);
        }
    }
    fixture_deinit(&fixture);
}

/* --- Threads --- */

typedef struct Readers {
    Map *map;
    atomic_bool stop;
} Readers;

static void *read_on(void *context)
{
    Readers *readers = context;

    do {
        Arena arena = {0};
        MapQuestion question = {.to_minute = UINT32_MAX, .with_layout = true};
        MapAnswer answer;
        MapStatus status;

        assert_int_equal(map_ask(readers->map, &question, &arena, &answer), 0);
        for (size_t i = 0; i < answer.n_edges; i++) {
            /* Each batch adds the same to all three edges: never a part of one. */
            assert_int_equal(answer.edges[i].count, answer.edges[0].count);
        }
        map_status(readers->map, &status);
        arena_deinit(&arena);
    } while (!atomic_load(&readers->stop));
    return NULL;
}

static void readers_see_whole_batches_while_the_writer_goes_on(void **state)
{
    pthread_t threads[3];
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Readers readers = {.map = fixture.map};
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers), 0);
    }
    for (uint32_t i = 0; i < 300; i++) {
        fixture_call(&fixture, "a", "b", TODAY + i % 9);
        fixture_call(&fixture, "b", "c", TODAY + i % 7);
        fixture_unpaired(&fixture, service(&fixture, "c"), "d", RULE_SERVER_ADDRESS, TODAY + i % 5);
        fixture_apply(&fixture);
        if (i % 50 == 0) {
            MapPending *pending = map_cut(fixture.map);
            tiers_free(fixture.map, pending);
        }
    }
    atomic_store(&readers.stop, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_of_an_edge_adds_up),
        cmocka_unit_test(what_is_taken_back_was_never_there),
        cmocka_unit_test(an_edge_tells_for_which_step_it_was),
        cmocka_unit_test(five_empty_minutes_do_not_end_an_interval_and_six_do),
        cmocka_unit_test(intervals_are_those_of_all_rules_together),
        cmocka_unit_test(names_of_known_services_are_those_services),
        cmocka_unit_test(known_means_known_at_any_time_and_no_longer_when_taken_back),
        cmocka_unit_test(exact_names_win_and_namespaces_decide),
        cmocka_unit_test(other_scopes_and_environments_are_other_worlds),
        cmocka_unit_test(an_address_means_what_the_latest_day_up_to_the_call_proved),
        cmocka_unit_test(nodes_are_what_edges_hops_and_requests_name_and_the_parents_of_tables),
        cmocka_unit_test(operations_take_memory_by_what_is_asked),
        cmocka_unit_test(filters_leave_edges_only_between_what_stays),
        cmocka_unit_test(focus_shows_a_node_and_its_neighbourhood),
        cmocka_unit_test(focus_reaches_over_a_hop_whose_publishing_was_earlier),
        cmocka_unit_test(the_rarest_fold_then_by_name),
        cmocka_unit_test(exemplars_do_not_depend_on_the_order_of_arrival),
        cmocka_unit_test(a_short_window_has_exemplars_too),
        cmocka_unit_test(series_tell_a_minute_or_more_at_a_time),
        cmocka_unit_test(findings_are_counted_with_an_example),
        cmocka_unit_test(any_order_of_adding_and_taking_back_gives_the_sums),
        cmocka_unit_test(readers_see_whole_batches_while_the_writer_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
