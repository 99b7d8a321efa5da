// SPDX-License-Identifier: Apache-2.0
#include "map/delta.h"

#include <xxhash.h>

#include "base/assert.h"

/*
 * A key is its type in one byte, then the fields that the type has, each as its length (LEB128, in
 * the shortest form) and its bytes. Only one spelling of a key exists, so that equal identity is
 * equal bytes; the parser refuses every other.
 */
enum { LENGTH_BYTES_MAX = 5, FIELDS_MAX = 8 };

typedef enum KeyField {
    KEY_END,
    KEY_SCOPE,
    KEY_ENVIRONMENT,
    KEY_NAMESPACE,
    KEY_NAME,
    KEY_SYSTEM,
    KEY_ADDRESS,
    KEY_PART,
    KEY_OWNER,
} KeyField;

static const uint8_t fields_of[][FIELDS_MAX] = {
    [NODE_SERVICE] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_NAMESPACE, KEY_NAME},
    [NODE_DATABASE] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_SYSTEM, KEY_ADDRESS, KEY_NAMESPACE,
                       KEY_OWNER},
    [NODE_TABLE] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_SYSTEM, KEY_ADDRESS, KEY_NAMESPACE, KEY_OWNER,
                    KEY_PART},
    [NODE_QUEUE] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_SYSTEM, KEY_NAME},
    [NODE_EXTERNAL] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_NAME},
    [NODE_FLOW] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_NAME},
    [NODE_STEP] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_NAME, KEY_PART},
    [NODE_NAME] = {KEY_SCOPE, KEY_ENVIRONMENT, KEY_NAME},
};

static Str *key_field(NodeKey *key, KeyField field)
{
    switch (field) {
    case KEY_SCOPE:
        return &key->scope;
    case KEY_ENVIRONMENT:
        return &key->environment;
    case KEY_NAMESPACE:
        return &key->namespace;
    case KEY_NAME:
        return &key->name;
    case KEY_SYSTEM:
        return &key->system;
    case KEY_ADDRESS:
        return &key->address;
    case KEY_PART:
        return &key->part;
    case KEY_OWNER:
        return &key->owner;
    case KEY_END:
        break;
    }
    return NULL;
}

Str name_cut(Str name)
{
    size_t len = MIN(name.len, (size_t)NAME_BYTES_MAX);

    while (len < name.len && len > NAME_BYTES_MAX - 4 && ((uint8_t)name.ptr[len] & 0xc0) == 0x80) {
        len--; /* within a character of UTF-8 */
    }
    return str_slice(name, 0, len);
}

static uint8_t *put_field(uint8_t *at, Str field)
{
    uint64_t rest = field.len;

    while (rest >= 0x80) {
        *at++ = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    *at++ = (uint8_t)rest;
    mem_copy(at, field.ptr, field.len);
    return at + field.len;
}

/* Into room that is large enough, as this is done for every edge of every trace. */
void node_key_append(const NodeKey *key, Buf *buf)
{
    NodeKey copy = *key;
    const uint8_t *fields = fields_of[key->type];
    size_t size = 1;

    ASSERT(key->type <= NODE_NAME);
    for (size_t i = 0; i < FIELDS_MAX && fields[i] != KEY_END; i++) {
        Str *field = key_field(&copy, fields[i]);

        if (fields[i] != KEY_OWNER) { /* a key, of names that were cut */
            *field = name_cut(*field);
        }
        size_t length = field->len;
        ASSERT(length <= UINT32_MAX);
        size += LENGTH_BYTES_MAX + length;
    }
    buf_reserve(buf, size);
    uint8_t *at = buf->ptr + buf->len;
    *at++ = (uint8_t)key->type;
    for (size_t i = 0; i < FIELDS_MAX && fields[i] != KEY_END; i++) {
        at = put_field(at, *key_field(&copy, fields[i]));
    }
    buf->len = (size_t)(at - buf->ptr);
}

/* Takes a length off @at; 1 when it is cut, too long or not in its shortest form. */
static int take_length(Str bytes, size_t *at, uint64_t *ret_length)
{
    uint64_t length = 0;

    for (unsigned i = 0; i < LENGTH_BYTES_MAX && *at < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[(*at)++];

        length |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *ret_length = length;
            return i > 0 && byte == 0;
        }
    }
    return 1;
}

static int take_field(Str bytes, size_t *at, Str *ret_field)
{
    uint64_t length;

    if (take_length(bytes, at, &length) != 0 || length > bytes.len - *at) {
        return 1;
    }
    *ret_field = (Str){.ptr = bytes.ptr + *at, .len = (size_t)length};
    *at += (size_t)length;
    return 0;
}

/* An owner is empty or the key of a service. */
static int check_owner(Str owner)
{
    NodeKey service;

    if (owner.len == 0) {
        return 0;
    }
    return owner.ptr[0] != (char)NODE_SERVICE || node_key_parse(owner, &service) != 0;
}

int node_key_parse(Str bytes, NodeKey *ret_key)
{
    NodeKey key = {0};
    size_t at = 1;

    if (bytes.len == 0 || (uint8_t)bytes.ptr[0] > NODE_NAME) {
        return 1;
    }
    key.type = (NodeType)bytes.ptr[0];
    const uint8_t *fields = fields_of[key.type];
    for (size_t i = 0; i < FIELDS_MAX && fields[i] != KEY_END; i++) {
        TRY(take_field(bytes, &at, key_field(&key, fields[i])));
    }
    if (at != bytes.len || check_owner(key.owner) != 0) {
        return 1;
    }
    *ret_key = key;
    return 0;
}

void node_id_append(Str key_bytes, Buf *buf)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    XXH128_hash_t hash = XXH3_128bits(key_bytes.ptr, key_bytes.len);
    unsigned __int128 rest = ((unsigned __int128)hash.high64 << 64) | hash.low64;

    for (unsigned i = 0; i < NODE_ID_LENGTH; i++) {
        buf_append_byte(buf, (uint8_t)digits[(unsigned)rest & 31]);
        rest >>= 5;
    }
}

static const char *const relation_names[] = {
    [RELATION_CALLS] = "calls",         [RELATION_READS] = "reads",
    [RELATION_WRITES] = "writes",       [RELATION_ACCESSES] = "accesses",
    [RELATION_PUBLISHES] = "publishes", [RELATION_CONSUMES] = "consumes",
    [RELATION_PERFORMS] = "performs",   [RELATION_FOLLOWS] = "follows",
};

static const char *const type_names[] = {
    [NODE_SERVICE] = "service", [NODE_DATABASE] = "database", [NODE_TABLE] = "table",
    [NODE_QUEUE] = "queue",     [NODE_EXTERNAL] = "external", [NODE_FLOW] = "flow",
    [NODE_STEP] = "step",       [NODE_NAME] = "name",
};

static const char *const rule_names[RULE_COUNT] = {
    [RULE_PAIRED] = "paired",
    [RULE_PAIRED_ASYNC] = "paired-async",
    [RULE_INFERRED_CONSUMER] = "inferred-consumer",
    [RULE_PEER_SERVICE] = "peer.service",
    [RULE_SERVER_ADDRESS] = "server.address",
    [RULE_RPC_SERVICE] = "rpc.service",
    [RULE_HTTP_HOST] = "http.host",
    [RULE_DB_EXPLICIT] = "db.explicit",
    [RULE_DB_SUMMARY] = "db.summary",
    [RULE_DB_TEXT] = "db.text",
    [RULE_DB_NAME] = "db.name",
    [RULE_MESSAGING] = "messaging",
    [RULE_FLOW] = "flow",
};

/* The index of @text in @names, or @count. */
static size_t name_index(const char *const *names, size_t count, Str text)
{
    size_t i = 0;

    while (i < count && !str_equal(str_from_cstr(names[i]), text)) {
        i++;
    }
    return i;
}

Str node_type_name(NodeType type)
{
    ASSERT((size_t)type < ARRAY_LEN(type_names));
    return str_from_cstr(type_names[type]);
}

Str relation_name(Relation relation)
{
    ASSERT((size_t)relation < ARRAY_LEN(relation_names));
    return str_from_cstr(relation_names[relation]);
}

Str rule_name(Rule rule)
{
    ASSERT((size_t)rule < RULE_COUNT);
    return str_from_cstr(rule_names[rule]);
}

int relation_parse(Str text, Relation *ret_relation)
{
    size_t found = name_index(relation_names, ARRAY_LEN(relation_names), text);

    if (found == ARRAY_LEN(relation_names)) {
        return 1;
    }
    *ret_relation = (Relation)found;
    return 0;
}

int rule_parse(Str text, Rule *ret_rule)
{
    size_t found = name_index(rule_names, RULE_COUNT, text);

    if (found == RULE_COUNT) {
        return 1;
    }
    *ret_rule = (Rule)found;
    return 0;
}

/* Grows by doubling inside the arena: what is left behind goes with the arena. */
static void deltas_grow(Deltas *deltas)
{
    size_t capacity = deltas->capacity == 0 ? 32 : deltas->capacity * 2;
    Delta *items = arena_alloc(deltas->arena, capacity * sizeof(*items));

    if (deltas->count > 0) {
        mem_copy(items, deltas->items, deltas->count * sizeof(*items));
    }
    deltas->items = items;
    deltas->capacity = capacity;
}

Delta *deltas_add(Deltas *deltas)
{
    if (deltas->count == deltas->capacity) {
        deltas_grow(deltas);
    }
    Delta *delta = &deltas->items[deltas->count++];
    *delta = (Delta){0};
    return delta;
}

NodeKey node_key_other(const NodeKey *key, bool of_parent)
{
    NodeKey other = {.type = key->type, .scope = key->scope, .environment = key->environment};

    if (of_parent && (key->type == NODE_TABLE || key->type == NODE_STEP)) {
        other = *key;
        other.part = STR("(other)");
        return other;
    }
    other.name = other.part = STR("(other)");
    if (key->type == NODE_DATABASE || key->type == NODE_TABLE) {
        other.namespace = STR("(other)");
    }
    return other;
}

NodeKey node_key_copy(const NodeKey *key, Arena *arena)
{
    return (NodeKey){.type = key->type,
                     .scope = arena_copy(arena, key->scope),
                     .environment = arena_copy(arena, key->environment),
                     .namespace = arena_copy(arena, key->namespace),
                     .name = arena_copy(arena, key->name),
                     .system = arena_copy(arena, key->system),
                     .address = arena_copy(arena, key->address),
                     .part = arena_copy(arena, key->part),
                     .owner = arena_copy(arena, key->owner)};
}

Str node_key_label(const NodeKey *key)
{
    switch (key->type) {
    case NODE_DATABASE:
        if (key->namespace.len > 0) {
            return key->namespace;
        }
        return key->address.len > 0 ? key->address : key->system;
    case NODE_TABLE:
    case NODE_STEP:
        return key->part;
    default:
        return key->name;
    }
}
