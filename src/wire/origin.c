// SPDX-License-Identifier: Apache-2.0
#include "wire/origin.h"

static bool is_resource_of(const Resource *resource, Str service)
{
    if (resource->attributes.count == 0) {
        return service.len == 0;
    }
    return str_equal(resource->attributes.items[0].value.string, service);
}

const Resource *origins_resource(Origins *origins, Arena *arena, Str service)
{
    for (size_t i = 0; i < MIN(origins->n_resources, (size_t)ORIGINS_MAX); i++) {
        if (is_resource_of(origins->resources[i], service)) {
            return origins->resources[i];
        }
    }
    Resource *resource = ARENA_NEW(arena, Resource);
    if (service.len != 0) {
        Attribute *attribute = ARENA_NEW(arena, Attribute);
        *attribute = (Attribute){.key = STR("service.name"), .value = value_string(service)};
        resource->attributes = (Attributes){.items = attribute, .count = 1};
    }
    origins->resources[origins->n_resources++ % ORIGINS_MAX] = resource;
    return resource;
}

const Scope *origins_scope(Origins *origins, Arena *arena, Str name, Str version)
{
    for (size_t i = 0; i < MIN(origins->n_scopes, (size_t)ORIGINS_MAX); i++) {
        if (str_equal(origins->scopes[i]->name, name) &&
            str_equal(origins->scopes[i]->version, version)) {
            return origins->scopes[i];
        }
    }
    Scope *scope = ARENA_NEW(arena, Scope);
    *scope = (Scope){.name = name, .version = version};
    origins->scopes[origins->n_scopes++ % ORIGINS_MAX] = scope;
    return scope;
}
