// SPDX-License-Identifier: Apache-2.0
#include "query/jaeger_search.h"

#include "codec/json.h"

static int search_fail(ParseError *ret_error, size_t offset, const char *text)
{
    *ret_error = (ParseError){.offset = offset, .text = text};
    return JAEGER_SEARCH_BAD;
}

static int search_add(JaegerSearch *search, Str key, Str value, ParseError *ret_error)
{
    if (search->n_tags == JAEGER_TAGS_MAX) {
        return search_fail(ret_error, 0, "more than 100 tags");
    }
    search->tags[search->n_tags++] = (JaegerTag){key, value};
    return 0;
}

int jaeger_search_tag(JaegerSearch *search, Str text, ParseError *ret_error)
{
    Str key, value;

    if (!str_split(text, ':', &key, &value)) {
        return search_fail(ret_error, text.len, "a tag is written key:value");
    }
    return search_add(search, key, value, ret_error);
}

/* A string's content, a number's or boolean's text. */
static int tag_value_read(JsonReader *reader, Str *ret_value)
{
    JsonType type;

    TRY(json_peek(reader, &type));
    switch (type) {
    case JSON_STRING:
        return json_read_string(reader, ret_value);
    case JSON_NUMBER:
    case JSON_BOOL:
        return json_skip(reader, ret_value);
    default:
        return json_fail(reader, "a tag's value is a string");
    }
}

static int tags_read(JaegerSearch *search, JsonReader *reader)
{
    Str key, value = STR("");
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        TRY(tag_value_read(reader, &value));
        if (search->n_tags == JAEGER_TAGS_MAX) {
            return json_fail(reader, "more than 100 tags");
        }
        search->tags[search->n_tags++] = (JaegerTag){key, value};
    }
    return more < 0 ? JAEGER_SEARCH_BAD : json_end(reader);
}

int jaeger_search_tags(JaegerSearch *search, Str text, Arena *arena, ParseError *ret_error)
{
    JsonReader reader;

    json_reader_init(&reader, text, arena);
    if (tags_read(search, &reader) != 0) {
        *ret_error = reader.error;
        return JAEGER_SEARCH_BAD;
    }
    return 0;
}

static const Filter *compare(FilterSet *set, FilterField field, FilterComparison comparison,
                             Value operand)
{
    return filter_compare(set, (Filter){.op = FILTER_COMPARE,
                                        .field = field,
                                        .comparison = comparison,
                                        .operand = operand});
}

static const Filter *attribute_is(FilterSet *set, FilterField field, JaegerTag tag)
{
    return filter_compare(set, (Filter){.op = FILTER_COMPARE,
                                        .field = field,
                                        .comparison = COMPARE_EQUAL_TEXT,
                                        .key = tag.key,
                                        .operand = value_string(tag.value)});
}

static const Filter *attribute_anywhere(FilterSet *set, JaegerTag tag)
{
    const Filter *places[] = {
        attribute_is(set, FIELD_SPAN_ATTRIBUTE, tag),
        attribute_is(set, FIELD_RESOURCE_ATTRIBUTE, tag),
        attribute_is(set, FIELD_EVENT_ATTRIBUTE, tag),
    };

    return filter_join(set, FILTER_OR, places, ARRAY_LEN(places));
}

/* The field that Jaeger shows as the tag @tag, or NULL when it is an ordinary one. */
static const Filter *field_of_tag(FilterSet *set, JaegerTag tag)
{
    SpanKind kind;
    StatusCode code;

    if (str_equal(tag.key, STR("error")) && str_equal(tag.value, STR("true"))) {
        return compare(set, FIELD_STATUS, COMPARE_EQUAL, value_int(STATUS_ERROR));
    }
    if (str_equal(tag.key, STR("error")) && str_equal(tag.value, STR("false"))) {
        return compare(set, FIELD_STATUS, COMPARE_NOT_EQUAL, value_int(STATUS_ERROR));
    }
    if (str_equal(tag.key, STR("span.kind")) && span_kind_parse(tag.value, &kind) == 0) {
        return compare(set, FIELD_KIND, COMPARE_EQUAL, value_int(kind));
    }
    if (str_equal(tag.key, STR("otel.status_code")) && status_code_parse(tag.value, &code) == 0) {
        return compare(set, FIELD_STATUS, COMPARE_EQUAL, value_int(code));
    }
    if (str_equal(tag.key, STR("otel.status_description"))) {
        return compare(set, FIELD_STATUS_MESSAGE, COMPARE_EQUAL, value_string(tag.value));
    }
    if (str_equal(tag.key, STR("otel.scope.name"))) {
        return compare(set, FIELD_SCOPE_NAME, COMPARE_EQUAL, value_string(tag.value));
    }
    if (str_equal(tag.key, STR("otel.scope.version"))) {
        return compare(set, FIELD_SCOPE_VERSION, COMPARE_EQUAL, value_string(tag.value));
    }
    return NULL;
}

static const Filter *tag_filter(FilterSet *set, JaegerTag tag)
{
    const Filter *either[] = {attribute_anywhere(set, tag), field_of_tag(set, tag)};

    return filter_join(set, FILTER_OR, either, either[1] == NULL ? 1 : 2);
}

/* A span without service is `unknown_service`. */
static const Filter *service_filter(FilterSet *set, Str service)
{
    JaegerTag tag = {STR("service.name"), service};
    const Filter *named = attribute_is(set, FIELD_RESOURCE_ATTRIBUTE, tag);

    if (!str_equal(service, STR("unknown_service"))) {
        return named;
    }
    const Filter *either[] = {
        named,
        filter_not(set, filter_compare(set, (Filter){.op = FILTER_COMPARE,
                                                     .field = FIELD_RESOURCE_ATTRIBUTE,
                                                     .comparison = COMPARE_EXISTS,
                                                     .key = tag.key})),
    };
    return filter_join(set, FILTER_OR, either, ARRAY_LEN(either));
}

int jaeger_search_filter(const JaegerSearch *search, FilterSet *set)
{
    const Filter *all[JAEGER_TAGS_MAX + 4];
    size_t n = 0;

    if (search->service.len > 0) {
        all[n++] = service_filter(set, search->service);
    }
    if (search->operation.len > 0) {
        all[n++] = compare(set, FIELD_NAME, COMPARE_EQUAL, value_string(search->operation));
    }
    if (search->duration_min_ns > 0) {
        all[n++] = compare(set, FIELD_DURATION, COMPARE_GREATER_EQUAL,
                           value_int((int64_t)MIN(search->duration_min_ns, (uint64_t)INT64_MAX)));
    }
    if (search->duration_max_ns > 0) {
        all[n++] = compare(set, FIELD_DURATION, COMPARE_LESS_EQUAL,
                           value_int((int64_t)MIN(search->duration_max_ns, (uint64_t)INT64_MAX)));
    }
    for (size_t i = 0; i < search->n_tags; i++) {
        all[n++] = tag_filter(set, search->tags[i]);
    }
    return filter_set_finish(set, n == 0 ? filter_all(set) : filter_join(set, FILTER_AND, all, n));
}
