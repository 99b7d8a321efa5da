// SPDX-License-Identifier: Apache-2.0
#include "store/block/binary.h"

#include "base/assert.h"

/* Hex numbers of 8 to 32 bytes: shorter ones are as small in a dictionary or as text, and are often
 * decimal numbers. */
enum { HEX_LEAST = 16, HEX_MOST = 2 * BLOCK_BINARY_MOST, UUID_TEXT = 36, UUID_SIZE = 16 };

/* One more than the value of each lower-case digit; 0 of all else. */
static const uint8_t digit_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

static bool is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

/* How all values of a column look. */
typedef struct Form {
    bool is_uuid;
    size_t length; /* of the text */
    uint32_t size; /* of the bytes */
} Form;

/* Returns whether the text has the form; then its bytes are in @bytes. */
static bool parse(const Form *form, Str text, uint8_t bytes[BLOCK_BINARY_MOST])
{
    bool is_good = true;
    size_t n = 0;

    if (text.len != form->length) {
        return false;
    }
    for (size_t at = 0; at < text.len; at += 2) {
        if (form->is_uuid && is_dash(at)) {
            is_good &= text.ptr[at++] == '-';
        }
        unsigned high = digit_values[(uint8_t)text.ptr[at]];
        unsigned low = digit_values[(uint8_t)text.ptr[at + 1]];
        is_good &= high != 0 && low != 0;
        bytes[n++] = (uint8_t)((high - 1) << 4 | ((low - 1) & 15));
    }
    return is_good;
}

static bool guess_form(Str text, Form *ret_form)
{
    uint8_t bytes[BLOCK_BINARY_MOST];
    Form uuid = {true, UUID_TEXT, UUID_SIZE};
    Form hex = {false, text.len, (uint32_t)(text.len / 2)};

    if (parse(&uuid, text, bytes)) {
        *ret_form = uuid;
        return true;
    }
    *ret_form = hex;
    return text.len >= HEX_LEAST && text.len <= HEX_MOST && text.len % 2 == 0 &&
           parse(&hex, text, bytes);
}

typedef struct Conversion {
    ColumnData *to; /* NULL: not begun */
    Str name;
    Form form;
    bool is_off;     /* a value has another form */
    bool has_letter; /* else they are decimal numbers, which people read as text */
} Conversion;

static bool has_letter(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 'a') {
            return true;
        }
    }
    return false;
}

static void begin(Conversion *conversion, Str first)
{
    conversion->is_off = !guess_form(first, &conversion->form);
    if (!conversion->is_off) {
        conversion->to = column_new(
            &(ParquetColumn){.name = conversion->name,
                             .type = conversion->form.is_uuid ? PARQUET_UUID : PARQUET_FIXED,
                             .optional = true,
                             .size = conversion->form.size});
    }
}

static void convert(void *context, size_t row, int64_t number, Str text)
{
    Conversion *conversion = context;
    uint8_t bytes[BLOCK_BINARY_MOST];

    if (conversion->to == NULL && !conversion->is_off) {
        begin(conversion, text);
    }
    if (conversion->is_off) {
        return;
    }
    if (!parse(&conversion->form, text, bytes)) {
        conversion->is_off = true;
        return;
    }
    conversion->has_letter = conversion->has_letter || has_letter(text);
    column_put_str(conversion->to, row, str_from_bytes(bytes, conversion->form.size));
}

ColumnData *block_binary_column(const ColumnData *text)
{
    const uint32_t *codes;
    const Symbols *dictionary = column_dictionary(text, &codes);
    Conversion conversion = {.name = column_description(text)->name};

    ASSERT(column_description(text)->type == PARQUET_STRING);
    if (dictionary != NULL && symbols_count(dictionary) * 2 <= column_count(text)) {
        return NULL;
    }
    column_each(text, convert, &conversion);
    if (conversion.is_off || !conversion.has_letter) {
        return column_free(conversion.to);
    }
    return conversion.to;
}

/* --- To a form that is settled --- */

typedef struct Fitting {
    ColumnData *to;
    Form form;
    void (*misfit)(void *context, size_t row, Str text);
    void *context;
} Fitting;

static Form form_of(ParquetType type, uint32_t size)
{
    bool is_uuid = type == PARQUET_UUID;

    return (Form){is_uuid, is_uuid ? UUID_TEXT : (size_t)size * 2, size};
}

static void fit(void *context, size_t row, int64_t number, Str text)
{
    Fitting *fitting = context;
    uint8_t bytes[BLOCK_BINARY_MOST];

    if (parse(&fitting->form, text, bytes)) {
        column_put_str(fitting->to, row, str_from_bytes(bytes, fitting->form.size));
    } else {
        fitting->misfit(fitting->context, row, text);
    }
}

ColumnData *block_binary_convert(const ColumnData *text, const BlockForm *form,
                                 void (*misfit)(void *context, size_t row, Str text), void *context)
{
    Fitting fitting = {
        .form = form_of(form->type, form->size), .misfit = misfit, .context = context};

    ASSERT(form->size <= BLOCK_BINARY_MOST);
    fitting.to = column_new(&(ParquetColumn){.name = column_description(text)->name,
                                             .type = form->type,
                                             .optional = true,
                                             .size = form->size});
    column_each(text, fit, &fitting);
    return fitting.to;
}

bool block_binary_parse(ParquetType type, uint32_t size, Str text, uint8_t bytes[BLOCK_BINARY_MOST])
{
    Form form = form_of(type, size);

    return parse(&form, text, bytes);
}

/* --- Back --- */

static size_t write_text(bool is_uuid, Str bytes, char *to)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[i];

        if (is_uuid && is_dash(n)) {
            to[n++] = '-';
        }
        to[n++] = digits[byte >> 4];
        to[n++] = digits[byte & 15];
    }
    return n;
}

void block_binary_to_text(ParquetVector *vector, uint32_t size, Arena *arena)
{
    bool is_uuid = vector->type == PARQUET_UUID;
    size_t length = is_uuid ? UUID_TEXT : (size_t)size * 2;
    bool has_dictionary = vector->codes != NULL; /* another writer's */
    const Str *bytes = has_dictionary ? vector->dictionary->strs : vector->strs;
    size_t n = has_dictionary ? vector->dictionary->n_rows : vector->n_rows;
    Str *texts = ARENA_ARRAY(arena, Str, n);
    char *to = arena_alloc(arena, n * length);

    for (size_t i = 0; i < n; i++) {
        if (bytes[i].len == size) { /* else the row is null */
            texts[i] = str_from_bytes(to, write_text(is_uuid, bytes[i], to));
            to += length;
        }
    }
    vector->type = PARQUET_STRING;
    if (has_dictionary) {
        ParquetVector *dictionary = ARENA_NEW(arena, ParquetVector);

        *dictionary = *vector->dictionary;
        dictionary->type = PARQUET_STRING;
        dictionary->strs = texts;
        vector->dictionary = dictionary;
        return;
    }
    vector->strs = texts;
}
