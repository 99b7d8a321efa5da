// SPDX-License-Identifier: Apache-2.0
#include "app/sim.h"

#include <math.h>

#include "app/sim_trace.h"

/*
 * The shop's transactions, each written as it would happen. How many start in a second follows the
 * hour of the day (quietest at 3 UTC, busiest at 15), their kind the shares below.
 */
enum { NS_PER_S = 1000000000, SECONDS_PER_DAY = 86400 };

/* Spans that an average transaction gives, measured by sim_test: turns a span rate into
 * transactions. */
static const double spans_per_transaction = 13.0;

typedef struct Order {
    Str number, run_id;
} Order;

static bool in_incident(const SimTrace *trace)
{
    const SimOptions *options = trace->sim->options;

    return trace->now_ns >= options->incident_from_ns && trace->now_ns < options->incident_to_ns;
}

static void begin_request(SimTrace *trace, Str method, Str route)
{
    sim_begin(trace, SIM_WEB, SPAN_KIND_SERVER,
              arena_format(trace->sim->arena, "%.*s %.*s", STR_ARG(method), STR_ARG(route)));
    sim_string(trace, STR("http.request.method"), method);
    sim_string(trace, STR("http.route"), route);
    sim_string(trace, STR("url.path"), route);
    sim_string(trace, STR("client.address"),
               arena_format(trace->sim->arena, "203.0.113.%u",
                            (unsigned)(sim_random(trace->sim) % 250) + 1));
    sim_string(trace, STR("user_agent.original"), STR("Mozilla/5.0"));
    sim_work(trace, 400);
}

static void end_request(SimTrace *trace, int status)
{
    sim_work(trace, 500);
    sim_int(trace, STR("http.response.status_code"), status);
    if (status >= 500) {
        sim_error(trace, STR("upstream failed"));
    }
    sim_end(trace);
}

static void look_up_profile(SimTrace *trace)
{
    Str key =
        arena_format(trace->sim->arena, "profile:%u", (unsigned)(sim_random(trace->sim) % 5000));

    sim_redis(trace, SIM_RECOMMENDATION, STR("GET"), key);
    /* Contract health: a client of their own that tells nobody whom it calls. */
    sim_begin(trace, SIM_RECOMMENDATION, SPAN_KIND_CLIENT, STR("features.fetch"));
    sim_work(trace, 1800);
    sim_end(trace);
    sim_begin(trace, SIM_RECOMMENDATION, SPAN_KIND_INTERNAL, STR("model.rank"));
    sim_int(trace, STR("candidates"), 40 + (int64_t)(sim_random(trace->sim) % 160));
    sim_work(trace, 6200);
    sim_end(trace);
}

static void browse(SimTrace *trace)
{
    begin_request(trace, STR("GET"), STR("/"));
    sim_call_begin(trace, SIM_WEB, SIM_GATEWAY, STR("GET"), STR("/api/home"));
    sim_call_begin(trace, SIM_GATEWAY, SIM_RECOMMENDATION, STR("GET"), STR("/recommendations"));
    look_up_profile(trace);
    sim_call_end(trace, 200);
    sim_call_begin(trace, SIM_GATEWAY, SIM_CART, STR("GET"), STR("/cart"));
    sim_redis(trace, SIM_CART, STR("HGETALL"), STR("cart:?"));
    sim_call_end(trace, 200);
    sim_call_end(trace, 200);
    end_request(trace, 200);
}

static void search(SimTrace *trace)
{
    bool cached = sim_chance(trace->sim, 0.6);

    begin_request(trace, STR("GET"), STR("/search"));
    sim_call_begin(trace, SIM_WEB, SIM_GATEWAY, STR("GET"), STR("/api/search"));
    sim_call_begin(trace, SIM_GATEWAY, SIM_SEARCH, STR("GET"), STR("/query"));
    sim_redis(trace, SIM_SEARCH, STR("GET"), STR("query:?"));
    if (!cached) {
        sim_begin(trace, SIM_SEARCH, SPAN_KIND_INTERNAL, STR("index.scan"));
        sim_work(trace, 21000);
        sim_end(trace);
        sim_redis(trace, SIM_SEARCH, STR("SET"), STR("query:?"));
    }
    sim_call_end(trace, 200);
    sim_call_end(trace, 200);
    end_request(trace, 200);
}

static void add_to_cart(SimTrace *trace)
{
    begin_request(trace, STR("POST"), STR("/cart"));
    sim_call_begin(trace, SIM_WEB, SIM_GATEWAY, STR("POST"), STR("/api/cart"));
    sim_call_begin(trace, SIM_GATEWAY, SIM_CART, STR("POST"), STR("/cart/items"));
    sim_step(trace, STR("add_item")); /* contract health: of which flow? */
    sim_redis(trace, SIM_CART, STR("HSET"), STR("cart:?"));
    sim_sql(trace, SIM_CART, STR("SELECT"), STR("carts"), STR("SELECT * FROM carts WHERE id = $1"));
    sim_sql(trace, SIM_CART, STR("UPDATE"), STR("carts"),
            STR("UPDATE carts SET items = $2, changed = now() WHERE id = $1"));
    sim_call_end(trace, 200);
    sim_call_end(trace, 200);
    end_request(trace, 200);
}

/* The card network; false: it refused. */
static bool charge_card(SimTrace *trace)
{
    bool refused = sim_chance(trace->sim, in_incident(trace) ? 0.55 : 0.006);

    sim_begin(trace, SIM_PAYMENT, SPAN_KIND_CLIENT, STR("POST"));
    sim_string(trace, STR("http.request.method"), STR("POST"));
    sim_string(trace, STR("url.full"), STR("https://api.stripe.com/v1/charges"));
    sim_string(trace, STR("server.address"), STR("api.stripe.com"));
    sim_int(trace, STR("server.port"), 443);
    sim_string(trace, STR("payment.provider"), STR("stripe"));
    sim_work(trace, refused ? 230000 : 140000);
    sim_int(trace, STR("http.response.status_code"), refused ? 429 : 200);
    if (refused) {
        sim_event(trace, STR("exception"), STR("exception.message"),
                  STR("RateLimitError: 429 Too Many Requests"));
        sim_error(trace, STR("429 Too Many Requests"));
    }
    sim_end(trace);
    return !refused;
}

static bool ask_fraud(SimTrace *trace)
{
    if (trace->now_ns < trace->sim->options->deploy_ns) {
        return true; /* before v2.3.0 fraud looked at orders after the fact, from the queue */
    }
    sim_call_begin(trace, SIM_PAYMENT, SIM_FRAUD, STR("POST"), STR("/check"));
    sim_redis(trace, SIM_FRAUD, STR("GET"), STR("profile:?"));
    sim_begin(trace, SIM_FRAUD, SPAN_KIND_INTERNAL, STR("model.score"));
    sim_work(trace, 42000);
    sim_end(trace);
    sim_call_end(trace, 200);
    return true;
}

static bool charge(SimTrace *trace)
{
    bool paid = false;

    for (int attempt = 0; attempt < 3 && !paid; attempt++) {
        if (attempt > 0) {
            sim_begin(trace, SIM_CHECKOUT, SPAN_KIND_INTERNAL, STR("backoff"));
            sim_work(trace, 200000);
            sim_end(trace);
        }
        sim_begin(trace, SIM_CHECKOUT, SPAN_KIND_INTERNAL, STR("charge"));
        sim_step(trace, STR("charge"));
        sim_call_begin(trace, SIM_CHECKOUT, SIM_PAYMENT, STR("POST"), STR("/charges"));
        paid = ask_fraud(trace) && charge_card(trace);
        if (paid) {
            sim_sql(trace, SIM_PAYMENT, STR("INSERT"), STR("payments"),
                    STR("INSERT INTO payments (order_id, amount, currency) VALUES ($1, $2, $3)"));
        }
        sim_call_end(trace, paid ? 201 : 502);
        if (!paid) {
            sim_error(trace, STR("card refused"));
        }
        sim_end(trace);
    }
    return paid;
}

static void begin_step(SimTrace *trace, Str step)
{
    sim_begin(trace, SIM_CHECKOUT, SPAN_KIND_INTERNAL, step);
    sim_step(trace, step);
}

static void reserve_stock(SimTrace *trace)
{
    begin_step(trace, STR("reserve_stock"));
    sim_call_begin(trace, SIM_CHECKOUT, SIM_INVENTORY, STR("POST"), STR("/reservations"));
    sim_sql(trace, SIM_INVENTORY, STR("SELECT"), STR("stock"),
            STR("SELECT sku, amount FROM stock WHERE sku = ANY($1) FOR UPDATE"));
    sim_sql(trace, SIM_INVENTORY, STR("UPDATE"), STR("stock"),
            STR("UPDATE stock SET amount = amount - $2 WHERE sku = $1"));
    sim_call_end(trace, 201);
    sim_end(trace);
}

static void consume_order(Sim *sim, SimService service, const SimMessage *message)
{
    SimTrace trace;

    sim_consume_begin(&trace, sim, service, STR("orders"), message);
    if (service == SIM_ACCOUNTING) {
        sim_step(&trace, STR("book"));
        sim_sql(&trace, service, STR("SELECT"), STR("orders"),
                STR("SELECT * FROM orders WHERE id = $1"));
        sim_sql(&trace, service, STR("INSERT"), STR("ledger"),
                STR("INSERT INTO ledger (order_id, amount) VALUES ($1, $2)"));
    } else {
        sim_redis(&trace, service, STR("GET"), STR("profile:?"));
        sim_work(&trace, 50000);
    }
    sim_end(&trace);
}

static void consume_mail(Sim *sim, const SimMessage *message)
{
    SimTrace trace;

    sim_consume_begin(&trace, sim, SIM_MAIL, STR("emails"), message);
    sim_step(&trace, STR("send_mail"));
    sim_begin(&trace, SIM_MAIL, SPAN_KIND_CLIENT, STR("SMTP send"));
    sim_string(&trace, STR("server.address"), STR("smtp.mailhost.example"));
    sim_int(&trace, STR("server.port"), 587);
    sim_work(&trace, 90000);
    sim_end(&trace);
    sim_end(&trace);
}

static void store_order(SimTrace *trace, const Order *order, SimMessage *ret_order,
                        SimMessage *ret_mail)
{
    begin_step(trace, STR("store_order"));
    sim_sql(trace, SIM_CHECKOUT, STR("INSERT"), STR("orders"),
            STR("INSERT INTO orders (id, customer, total) VALUES ($1, $2, $3)"));
    *ret_order = sim_publish(trace, SIM_CHECKOUT, STR("orders"), order->number);
    sim_end(trace);
    begin_step(trace, STR("arrange_shipping"));
    sim_call_begin(trace, SIM_CHECKOUT, SIM_SHIPPING, STR("POST"), STR("/shipments"));
    sim_begin(trace, SIM_SHIPPING, SPAN_KIND_INTERNAL, STR("quote.rates"));
    sim_work(trace, 60000);
    sim_end(trace);
    sim_call_end(trace, 201);
    sim_end(trace);
    begin_step(trace, STR("confirm"));
    *ret_mail = sim_publish(trace, SIM_CHECKOUT, STR("emails"), order->number);
    sim_end(trace);
}

static void begin_checkout(SimTrace *trace, const Order *order)
{
    begin_request(trace, STR("POST"), STR("/checkout"));
    sim_call_begin(trace, SIM_WEB, SIM_GATEWAY, STR("POST"), STR("/api/checkout"));
    sim_call_begin(trace, SIM_GATEWAY, SIM_CHECKOUT, STR("POST"), STR("/orders"));
    sim_string(trace, STR("coordimap.flow.name"), STR("checkout.place_order"));
    sim_string(trace, STR("coordimap.flow.run_id"), order->run_id);
    sim_string(trace, STR("entity.type"), STR("order"));
    sim_string(trace, STR("entity.id"), order->number);
    begin_step(trace, STR("validate_cart"));
    sim_call_begin(trace, SIM_CHECKOUT, SIM_CART, STR("GET"), STR("/cart"));
    sim_redis(trace, SIM_CART, STR("HGETALL"), STR("cart:?"));
    sim_call_end(trace, 200);
    sim_end(trace);
}

static void place_order(SimTrace *trace)
{
    Sim *sim = trace->sim;
    Order order = {.number =
                       arena_format(sim->arena, "%u", 40000 + (unsigned)(sim_random(sim) % 60000)),
                   .run_id = sim_hex(sim, 16)};
    SimMessage order_message, mail_message;

    begin_checkout(trace, &order);
    reserve_stock(trace);
    bool paid = charge(trace);
    if (paid) {
        store_order(trace, &order, &order_message, &mail_message);
    }
    sim_call_end(trace, paid ? 201 : 502);
    sim_call_end(trace, paid ? 201 : 502);
    end_request(trace, paid ? 201 : 502);
    if (!paid) {
        return;
    }
    consume_order(sim, SIM_ACCOUNTING, &order_message);
    if (trace->now_ns < sim->options->deploy_ns) {
        consume_order(sim, SIM_FRAUD, &order_message);
    }
    consume_mail(sim, &mail_message);
}

static void sign_up(SimTrace *trace)
{
    Sim *sim = trace->sim;

    begin_request(trace, STR("POST"), STR("/sign-up"));
    sim_call_begin(trace, SIM_WEB, SIM_GATEWAY, STR("POST"), STR("/api/customers"));
    sim_string(trace, STR("coordimap.flow.name"), STR("account.sign_up"));
    sim_string(trace, STR("coordimap.flow.run_id"), sim_hex(sim, 16));
    sim_begin(trace, SIM_GATEWAY, SPAN_KIND_INTERNAL, STR("store_customer"));
    sim_step(trace, STR("store_customer"));
    sim_sql(trace, SIM_GATEWAY, STR("INSERT"), STR("customers"),
            STR("INSERT INTO customers (id, mail) VALUES ($1, $2)"));
    sim_end(trace);
    sim_begin(trace, SIM_GATEWAY, SPAN_KIND_INTERNAL, STR("welcome"));
    sim_step(trace, STR("welcome"));
    SimMessage message = sim_publish(trace, SIM_GATEWAY, STR("emails"), sim_hex(sim, 8));
    sim_end(trace);
    sim_call_end(trace, 201);
    end_request(trace, 201);
    consume_mail(sim, &message);
}

/* Once a night, at 02:10 UTC, in one long trace. */
static void reconcile(SimTrace *trace)
{
    static const char *const steps[] = {"load_orders", "load_payments", "match", "write_report"};

    sim_begin(trace, SIM_ACCOUNTING, SPAN_KIND_INTERNAL, STR("nightly reconciliation"));
    sim_string(trace, STR("coordimap.flow.name"), STR("accounting.nightly_reconciliation"));
    sim_string(trace, STR("coordimap.flow.run_id"),
               arena_format(trace->sim->arena, "night-%llu",
                            (unsigned long long)(trace->sim->second / SECONDS_PER_DAY)));
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        Str step = str_from_cstr(steps[i]);

        sim_begin(trace, SIM_ACCOUNTING, SPAN_KIND_INTERNAL, step);
        sim_step(trace, step);
        switch (i) {
        case 0:
            sim_sql(trace, SIM_ACCOUNTING, STR("SELECT"), STR("orders"),
                    STR("SELECT * FROM orders WHERE placed > $1"));
            break;
        case 1:
            sim_sql(trace, SIM_ACCOUNTING, STR("SELECT"), STR("payments"),
                    STR("SELECT * FROM payments WHERE booked > $1"));
            break;
        case 3:
            sim_sql(trace, SIM_ACCOUNTING, STR("INSERT"), STR("reports"),
                    STR("INSERT INTO reports (night, content) VALUES ($1, $2)"));
            break;
        default:
            break;
        }
        sim_work(trace, 900000);
        sim_end(trace);
    }
    sim_end(trace);
}

static void run_transaction(Sim *sim, uint64_t start_ns)
{
    SimTrace trace;
    double kind = sim_uniform(sim);

    sim_trace_init(&trace, sim, start_ns);
    if (kind < 0.40) {
        browse(&trace);
    } else if (kind < 0.65) {
        search(&trace);
    } else if (kind < 0.83) {
        add_to_cart(&trace);
    } else if (kind < 0.97) {
        place_order(&trace);
    } else {
        sign_up(&trace);
    }
}

/* Transactions of this second: the mean follows the hour, the fraction is left to chance. */
static uint64_t transactions_of_second(Sim *sim)
{
    double day = (double)(sim->second % SECONDS_PER_DAY) / SECONDS_PER_DAY;
    double rhythm = 1 - 0.6 * cos(2 * M_PI * (day - 3.0 / 24));
    double mean = sim->options->rate / spans_per_transaction * rhythm;
    double noisy = mean * (0.7 + 0.6 * sim_uniform(sim));

    return (uint64_t)noisy + sim_chance(sim, noisy - floor(noisy));
}

void sim_second(const SimOptions *options, uint64_t second, Arena *arena, Span **ret_spans,
                size_t *ret_n)
{
    Sim sim;

    sim_init(&sim, options, second, arena);
    uint64_t count = transactions_of_second(&sim);
    for (uint64_t i = 0; i < count; i++) {
        run_transaction(&sim, second * NS_PER_S + sim_random(&sim) % NS_PER_S);
    }
    if (second % SECONDS_PER_DAY == 2 * 3600 + 600) {
        SimTrace trace;

        sim_trace_init(&trace, &sim, second * NS_PER_S);
        reconcile(&trace);
    }
    *ret_spans = sim.spans;
    *ret_n = sim.n_spans;
}
