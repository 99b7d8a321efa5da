// SPDX-License-Identifier: Apache-2.0
#include "map/contract/reading.h"

#include "base/assert.h"
#include "span/host.h"

/*
 * This runs for every attribute of every span, so a key is recognised by a perfect hash: its last
 * seven bytes and its length choose the only known key that it can be, and one comparison decides.
 * What is found is noted by slot; the slots stand in the order in which §1 reads them, so that "the
 * first non-empty of" is the lowest set bit of a range.
 */
#define SPAN_KEYS(X)                                                                               \
    X(SERVICE_NAME, "service.name", 51)                                                            \
    X(DB_SYSTEM_NAME, "db.system.name", 88)                                                        \
    X(DB_SYSTEM, "db.system", 73)                                                                  \
    X(DB_NAMESPACE, "db.namespace", 44)                                                            \
    X(DB_NAME, "db.name", 117)                                                                     \
    X(DB_ELASTICSEARCH_CLUSTER_NAME, "db.elasticsearch.cluster.name", 125)                         \
    X(DB_REDIS_DATABASE_INDEX, "db.redis.database_index", 16)                                      \
    X(DB_OPERATION_NAME, "db.operation.name", 24)                                                  \
    X(DB_OPERATION, "db.operation", 103)                                                           \
    X(DB_COLLECTION_NAME, "db.collection.name", 97)                                                \
    X(DB_SQL_TABLE, "db.sql.table", 119)                                                           \
    X(DB_MONGODB_COLLECTION, "db.mongodb.collection", 78)                                          \
    X(DB_CASSANDRA_TABLE, "db.cassandra.table", 91)                                                \
    X(DB_COSMOSDB_CONTAINER, "db.cosmosdb.container", 123)                                         \
    X(AWS_DYNAMODB_TABLE_NAMES, "aws.dynamodb.table_names", 59)                                    \
    X(DB_QUERY_SUMMARY, "db.query.summary", 48)                                                    \
    X(DB_QUERY_TEXT, "db.query.text", 124)                                                         \
    X(DB_STATEMENT, "db.statement", 109)                                                           \
    X(MESSAGING_SYSTEM, "messaging.system", 74)                                                    \
    X(MESSAGING_OPERATION_TYPE, "messaging.operation.type", 79)                                    \
    X(MESSAGING_OPERATION, "messaging.operation", 104)                                             \
    X(MESSAGING_OPERATION_NAME, "messaging.operation.name", 25)                                    \
    X(MESSAGING_DESTINATION_TEMPLATE, "messaging.destination.template", 49)                        \
    X(MESSAGING_DESTINATION_NAME, "messaging.destination.name", 43)                                \
    X(MESSAGING_DESTINATION, "messaging.destination", 52)                                          \
    X(MESSAGING_DESTINATION_TEMPORARY, "messaging.destination.temporary", 57)                      \
    X(MESSAGING_DESTINATION_ANONYMOUS, "messaging.destination.anonymous", 86)                      \
    X(MESSAGING_TEMP_DESTINATION, "messaging.temp_destination", 34)                                \
    X(MESSAGING_CONSUMER_GROUP_NAME, "messaging.consumer.group.name", 21)                          \
    X(MESSAGING_KAFKA_CONSUMER_GROUP, "messaging.kafka.consumer.group", 126)                       \
    X(SERVICE_PEER_NAME, "service.peer.name", 15)                                                  \
    X(PEER_SERVICE, "peer.service", 67)                                                            \
    X(SERVER_ADDRESS, "server.address", 61)                                                        \
    X(NET_PEER_NAME, "net.peer.name", 106)                                                         \
    X(NETWORK_PEER_ADDRESS, "network.peer.address", 116)                                           \
    X(NET_SOCK_PEER_ADDR, "net.sock.peer.addr", 33)                                                \
    X(NET_PEER_IP, "net.peer.ip", 118)                                                             \
    X(SERVER_PORT, "server.port", 10)                                                              \
    X(NET_PEER_PORT, "net.peer.port", 29)                                                          \
    X(NETWORK_PEER_PORT, "network.peer.port", 66)                                                  \
    X(NET_SOCK_PEER_PORT, "net.sock.peer.port", 11)                                                \
    X(RPC_SERVICE, "rpc.service", 121)                                                             \
    X(RPC_METHOD, "rpc.method", 77)                                                                \
    X(HTTP_HOST, "http.host", 111)                                                                 \
    X(URL_FULL, "url.full", 84)                                                                    \
    X(HTTP_URL, "http.url", 98)                                                                    \
    X(FLOW_NAME, "coordimap.flow.name", 2)                                                         \
    X(FLOW_STEP, "coordimap.flow.step", 60)                                                        \
    X(FLOW_RUN_ID, "coordimap.flow.run_id", 76)                                                    \
    X(ENTITY_TYPE, "entity.type", 47)                                                              \
    X(ENTITY_ID, "entity.id", 45)

#define RESOURCE_KEYS(X)                                                                           \
    X(R_SERVICE_NAME, "service.name", 51)                                                          \
    X(R_SERVICE_NAMESPACE, "service.namespace", 26)                                                \
    X(R_DEPLOYMENT_ENVIRONMENT_NAME, "deployment.environment.name", 97)                            \
    X(R_DEPLOYMENT_ENVIRONMENT, "deployment.environment", 58)                                      \
    X(R_COORDIMAP_SCOPE_ID, "coordimap.scope_id", 69)                                              \
    X(R_K8S_CLUSTER_UID, "k8s.cluster.uid", 47)                                                    \
    X(R_CLOUD_ACCOUNT_ID, "cloud.account.id", 34)                                                  \
    X(R_CLOUD_PROJECT_NUMBER, "cloud.project.number", 32)                                          \
    X(R_DB_POSTGRESQL_SYSTEM_IDENTIFIER, "db.postgresql.system_identifier", 33)                    \
    X(R_SERVICE_VERSION, "service.version", 25)                                                    \
    X(R_TELEMETRY_SDK_NAME, "telemetry.sdk.name", 113)                                             \
    X(R_TELEMETRY_SDK_LANGUAGE, "telemetry.sdk.language", 112)                                     \
    X(R_HOST_NAME, "host.name", 62)                                                                \
    X(R_K8S_POD_NAME, "k8s.pod.name", 116)                                                         \
    X(R_K8S_NAMESPACE_NAME, "k8s.namespace.name", 106)

enum {
    KEY_LENGTH_MIN = 7,
    KEY_LENGTH_MAX = 31,
    KEY_HASH_BITS = 7,
};

#define KEY_SLOT(slot, key, hash) SLOT_##slot,
enum { SPAN_KEYS(KEY_SLOT) SPAN_SLOTS };
enum { RESOURCE_KEYS(KEY_SLOT) RESOURCE_SLOTS };
STATIC_ASSERT((int)SPAN_SLOTS <= 64 && (int)RESOURCE_SLOTS <= 64, "slots are bits of a word");

typedef struct KnownKey {
    char key[KEY_LENGTH_MAX];
    uint8_t length, slot;
} KnownKey;

#define KEY_ENTRY(name, text, hash)                                                                \
    [hash] = {.key = text, .length = sizeof(text) - 1, .slot = SLOT_##name},
static const KnownKey span_keys[1 << KEY_HASH_BITS] = {SPAN_KEYS(KEY_ENTRY)};
static const KnownKey resource_keys[1 << KEY_HASH_BITS] = {RESOURCE_KEYS(KEY_ENTRY)};

#define KEY_NAME(name, text, hash) [SLOT_##name] = STR(text),
static const Str resource_key_names[] = {RESOURCE_KEYS(KEY_NAME)};

typedef struct Slots {
    uint64_t seen;    /* the key was there: its first occurrence counts */
    uint64_t present; /* ... and had a value */
    const Value *values[64];
} Slots;

static uint32_t load_u32(const char *bytes)
{
    uint32_t word;

    __builtin_memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Multipliers found by search, such that no two known keys of a table meet. */
static uint32_t key_hash(Str key)
{
    uint32_t tail = load_u32(key.ptr + key.len - 4) + (uint32_t)key.len;
    uint32_t before = load_u32(key.ptr + key.len - 7);

    return (tail * 0x9268c32fU + before * 0x9abe08fbU) >> (32 - KEY_HASH_BITS);
}

/* §1 calls an empty list absent; text that is empty is too. */
static bool is_absent(const Value *value)
{
    switch (value->type) {
    case VALUE_EMPTY:
        return true;
    case VALUE_STRING:
    case VALUE_BYTES:
        return value->string.len == 0;
    case VALUE_ARRAY:
        return value->count == 0;
    default:
        return false;
    }
}

static void slots_fill(Slots *slots, const KnownKey *known, Attributes attributes)
{
    slots->seen = 0;
    slots->present = 0;
    for (size_t i = 0; i < attributes.count; i++) {
        Str key = attributes.items[i].key;

        if (key.len < KEY_LENGTH_MIN || key.len > KEY_LENGTH_MAX) {
            continue;
        }
        const KnownKey *entry = &known[key_hash(key)];
        if (!str_equal(str_from_bytes(entry->key, entry->length), key)) {
            continue;
        }
        uint64_t bit = (uint64_t)1 << entry->slot;
        if ((slots->seen & bit) == 0) {
            slots->seen |= bit;
            slots->values[entry->slot] = &attributes.items[i].value;
            slots->present |= is_absent(&attributes.items[i].value) ? 0 : bit;
        }
    }
}

#define RANGE(first, last)                                                                         \
    ((((uint64_t)2 << (SLOT_##last)) - 1) & ~(((uint64_t)1 << (SLOT_##first)) - 1))

/* The first value of @range that is there, or NULL. */
static const Value *slots_first(const Slots *slots, uint64_t range)
{
    uint64_t present = slots->present & range;

    return present == 0 ? NULL : slots->values[__builtin_ctzll(present)];
}

static Str text_of(const Value *value, Arena *arena)
{
    if (value == NULL) {
        return (Str){0};
    }
    return value->type == VALUE_STRING ? value->string : value_text(value, arena);
}

#define TEXT(slots, first, last, arena) text_of(slots_first((slots), RANGE(first, last)), (arena))

static uint32_t port_of(const Value *value, Arena *arena)
{
    if (value->type == VALUE_INT) {
        return value->integer > 0 && value->integer <= UINT16_MAX ? (uint32_t)value->integer : 0;
    }
    return port_parse(text_of(value, arena));
}

/* The first port attribute that is a port; 0: none. */
static uint32_t read_port(const Slots *slots, Arena *arena)
{
    uint32_t port = 0;

    for (int slot = SLOT_SERVER_PORT; slot <= SLOT_NET_SOCK_PEER_PORT && port == 0; slot++) {
        if ((slots->present >> slot & 1) != 0) {
            port = port_of(slots->values[slot], arena);
        }
    }
    return port;
}

static Str read_address(const Slots *slots, Arena *arena, Str *ret_host, Str *ret_address)
{
    Str raw = TEXT(slots, SERVER_ADDRESS, NET_PEER_IP, arena);

    *ret_host = (Str){0};
    *ret_address = (Str){0};
    if (raw.len > 0) {
        host_normalise(raw, read_port(slots, arena), arena, ret_host, ret_address);
    }
    return raw;
}

static const struct {
    Str old, newest;
} renamed_systems[] = {
    {STR("mssql"), STR("microsoft.sql_server")},
    {STR("dynamodb"), STR("aws.dynamodb")},
    {STR("redshift"), STR("aws.redshift")},
    {STR("cosmosdb"), STR("azure.cosmosdb")},
    {STR("spanner"), STR("gcp.spanner")},
    {STR("oracle"), STR("oracle.db")},
    {STR("db2"), STR("ibm.db2")},
    {STR("hanadb"), STR("sap.hana")},
    {STR("h2"), STR("h2database")},
};

static Str rename_system(Str system)
{
    for (size_t i = 0; i < ARRAY_LEN(renamed_systems); i++) {
        if (str_equal(system, renamed_systems[i].old)) {
            return renamed_systems[i].newest;
        }
    }
    return system;
}

static void read_collections(const Slots *slots, Arena *arena, DatabaseReading *reading)
{
    const Value *value = slots_first(slots, RANGE(DB_COLLECTION_NAME, AWS_DYNAMODB_TABLE_NAMES));

    if (value == NULL) {
        return;
    }
    bool each = (slots->present & RANGE(DB_COLLECTION_NAME, DB_COSMOSDB_CONTAINER)) == 0 &&
                value->type == VALUE_ARRAY;
    size_t count = each ? MIN((size_t)value->count, (size_t)READING_COLLECTIONS_MAX) : 1;
    Str *collections = arena_alloc(arena, count * sizeof(*collections));
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        collections[n] = text_of(each ? &value->items[i] : value, arena);
        n += collections[n].len > 0;
    }
    reading->collections = collections;
    reading->n_collections = n;
}

static const DatabaseReading *read_database(const Slots *slots, Arena *arena)
{
    DatabaseReading *reading = ARENA_NEW(arena, DatabaseReading);
    Str raw = read_address(slots, arena, &reading->host, &reading->address);

    reading->system = rename_system(TEXT(slots, DB_SYSTEM_NAME, DB_SYSTEM, arena));
    reading->namespace = TEXT(slots, DB_NAMESPACE, DB_REDIS_DATABASE_INDEX, arena);
    reading->operation = TEXT(slots, DB_OPERATION_NAME, DB_OPERATION, arena);
    reading->summary = TEXT(slots, DB_QUERY_SUMMARY, DB_QUERY_SUMMARY, arena);
    reading->text = TEXT(slots, DB_QUERY_TEXT, DB_STATEMENT, arena);
    reading->address_list = str_find_byte(raw, ',', 0) < raw.len ? raw : (Str){0};
    read_collections(slots, arena, reading);
    return reading;
}

static bool is_true(const Slots *slots, int slot, Arena *arena)
{
    return (slots->present >> slot & 1) != 0 &&
           str_equal(text_of(slots->values[slot], arena), STR("true"));
}

static MessageRole role_of(Str operation, SpanKind kind)
{
    static const struct {
        Str name;
        MessageRole role;
    } roles[] = {
        {STR("send"), MESSAGE_SEND},       {STR("publish"), MESSAGE_SEND},
        {STR("create"), MESSAGE_CREATE},   {STR("receive"), MESSAGE_RECEIVE},
        {STR("process"), MESSAGE_PROCESS}, {STR("consume"), MESSAGE_PROCESS},
        {STR("deliver"), MESSAGE_PROCESS}, {STR("settle"), MESSAGE_NONE},
    };

    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (str_equal_nocase(operation, roles[i].name)) {
            return roles[i].role;
        }
    }
    if (kind == SPAN_KIND_PRODUCER) {
        return MESSAGE_SEND;
    }
    return kind == SPAN_KIND_CONSUMER ? MESSAGE_PROCESS : MESSAGE_NONE;
}

static const MessagingReading *read_messaging(const Slots *slots, Arena *arena)
{
    MessagingReading *reading = ARENA_NEW(arena, MessagingReading);
    Str host;

    read_address(slots, arena, &host, &reading->broker);
    reading->system = TEXT(slots, MESSAGING_SYSTEM, MESSAGING_SYSTEM, arena);
    reading->destination =
        TEXT(slots, MESSAGING_DESTINATION_TEMPLATE, MESSAGING_DESTINATION, arena);
    reading->group =
        TEXT(slots, MESSAGING_CONSUMER_GROUP_NAME, MESSAGING_KAFKA_CONSUMER_GROUP, arena);
    if (is_true(slots, SLOT_MESSAGING_DESTINATION_TEMPORARY, arena) ||
        is_true(slots, SLOT_MESSAGING_DESTINATION_ANONYMOUS, arena) ||
        is_true(slots, SLOT_MESSAGING_TEMP_DESTINATION, arena)) {
        reading->destination = STR("(temporary)");
    } else if (reading->destination.len == 0) {
        reading->destination = STR("(unknown)");
    }
    return reading;
}

/* `rpc.service`, else the service part of `rpc.method`: "/pkg.Cart/Get" and "pkg.Cart/Get". */
static Str read_rpc_service(const Slots *slots, Arena *arena)
{
    Str service = TEXT(slots, RPC_SERVICE, RPC_SERVICE, arena);

    if (service.len > 0) {
        return service;
    }
    Str method = TEXT(slots, RPC_METHOD, RPC_METHOD, arena);
    if (str_starts_with(method, STR("/"))) {
        method = str_slice(method, 1, method.len);
    }
    for (size_t i = method.len; i > 0; i--) {
        if (method.ptr[i - 1] == '/') {
            return str_slice(method, 0, i - 1);
        }
    }
    return method;
}

static Str read_http_host(const Slots *slots, Arena *arena)
{
    Str host = TEXT(slots, HTTP_HOST, HTTP_HOST, arena);

    for (int slot = SLOT_URL_FULL; slot <= SLOT_HTTP_URL && host.len == 0; slot++) {
        if ((slots->present >> slot & 1) != 0) {
            host = url_authority(text_of(slots->values[slot], arena));
        }
    }
    return host;
}

static const OutboundReading *read_outbound(const Slots *slots, Arena *arena)
{
    OutboundReading *reading = ARENA_NEW(arena, OutboundReading);
    Str host;

    reading->peer_service = TEXT(slots, SERVICE_PEER_NAME, PEER_SERVICE, arena);
    read_address(slots, arena, &host, &reading->address);
    reading->address_is_loopback = str_equal(host, STR("localhost"));
    reading->rpc_service = read_rpc_service(slots, arena);
    Str http_host = read_http_host(slots, arena);
    if (http_host.len > 0) {
        host_normalise(http_host, 0, arena, &host, &reading->http_host);
        reading->http_host_is_loopback = str_equal(host, STR("localhost"));
    }
    return reading;
}

static SpanClass class_of(const Slots *slots, SpanKind kind)
{
    if (kind == SPAN_KIND_SERVER) {
        return CLASS_SERVER;
    }
    if ((slots->present & (RANGE(MESSAGING_SYSTEM, MESSAGING_SYSTEM) |
                           RANGE(MESSAGING_DESTINATION_TEMPLATE, MESSAGING_DESTINATION))) != 0) {
        return CLASS_MESSAGING;
    }
    if ((slots->present & RANGE(DB_SYSTEM_NAME, DB_SYSTEM)) != 0 && kind != SPAN_KIND_CONSUMER) {
        return CLASS_DATABASE;
    }
    if (kind == SPAN_KIND_CLIENT || kind == SPAN_KIND_PRODUCER ||
        (slots->present & RANGE(SERVICE_PEER_NAME, PEER_SERVICE)) != 0) {
        return CLASS_OUTBOUND;
    }
    return CLASS_INNER;
}

static const FlowReading *read_flow(const Slots *slots, Arena *arena)
{
    if ((slots->present & RANGE(FLOW_NAME, ENTITY_ID)) == 0) {
        return NULL;
    }
    FlowReading *reading = ARENA_NEW(arena, FlowReading);
    reading->name = TEXT(slots, FLOW_NAME, FLOW_NAME, arena);
    reading->step = TEXT(slots, FLOW_STEP, FLOW_STEP, arena);
    reading->run_id = TEXT(slots, FLOW_RUN_ID, FLOW_RUN_ID, arena);
    reading->entity_type = TEXT(slots, ENTITY_TYPE, ENTITY_TYPE, arena);
    reading->entity_id = TEXT(slots, ENTITY_ID, ENTITY_ID, arena);
    return reading;
}

void reading_take(const Span *span, Arena *arena, Reading *ret_reading)
{
    Slots slots;
    SpanKind kind = (SpanKind)span->kind;

    slots_fill(&slots, span_keys, span->attributes);
    Reading reading = {.class = class_of(&slots, kind)};
    if (slots.present != 0) {
        reading.service = TEXT(&slots, SERVICE_NAME, SERVICE_NAME, arena);
        reading.flow = read_flow(&slots, arena);
    }
    if (reading.class == CLASS_MESSAGING) {
        reading.messaging = read_messaging(&slots, arena);
        reading.role =
            role_of(TEXT(&slots, MESSAGING_OPERATION_TYPE, MESSAGING_OPERATION_NAME, arena), kind);
    } else if (reading.class == CLASS_DATABASE) {
        reading.database = read_database(&slots, arena);
    } else if (reading.class == CLASS_OUTBOUND) {
        reading.outbound = read_outbound(&slots, arena);
    }
    *ret_reading = reading;
}

void resource_reading_take(const Resource *resource, Arena *arena, ResourceReading *ret_reading)
{
    Slots slots;

    slots_fill(&slots, resource_keys, resource->attributes);
    ResourceReading reading = {
        .service = TEXT(&slots, R_SERVICE_NAME, R_SERVICE_NAME, arena),
        .namespace = TEXT(&slots, R_SERVICE_NAMESPACE, R_SERVICE_NAMESPACE, arena),
        .environment = TEXT(&slots, R_DEPLOYMENT_ENVIRONMENT_NAME, R_DEPLOYMENT_ENVIRONMENT, arena),
        .scope = TEXT(&slots, R_COORDIMAP_SCOPE_ID, R_DB_POSTGRESQL_SYSTEM_IDENTIFIER, arena),
    };
    if (reading.scope.len == 0) {
        reading.scope = STR("default");
    }
    for (int slot = SLOT_R_SERVICE_VERSION; slot <= SLOT_R_K8S_NAMESPACE_NAME; slot++) {
        if ((slots.present >> slot & 1) != 0) {
            reading.labels[reading.n_labels++] = (ResourceLabel){
                .name = resource_key_names[slot], .value = text_of(slots.values[slot], arena)};
        }
    }
    *ret_reading = reading;
}
