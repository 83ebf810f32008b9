/* "Test Network": \\test\<share>. A connection is a file in STATE, named by what it is cancelled by:
   "Z:" or "@<share>"; in it are the remote name and the user, a line each.

   locked    wants the password "sesame"
   denied    answers 5
   slow      waits until somebody writes to the FIFO STATE/gate, after creating STATE/entered
   held      has open files: goes only by force
   explained fails with 1208 and says why
   others    are connected without further ado */

static void narrow(const WCHAR *from, char *to, size_t size) {
    size_t n = 0;
    for (; from && from[n] && n + 1 < size; n++) to[n] = (char)from[n];
    to[n] = 0;
}

static void widen(const char *from, WCHAR *to) {
    while ((*to++ = (unsigned char)*from++)) {}
}

static void file_of(const char *name, char *path, size_t size) {
    snprintf(path, size, "%s/%s", STATE, name);
}

static int load(const char *file, char *remote, char *user) {
    char path[512];
    file_of(file, path, sizeof path);
    FILE *in = fopen(path, "r");
    if (!in) return 0;
    remote[0] = user[0] = 0;
    if (fgets(remote, 256, in)) remote[strcspn(remote, "\n")] = 0;
    if (fgets(user, 256, in)) user[strcspn(user, "\n")] = 0;
    fclose(in);
    return 1;
}

static const char *share_of(const char *remote) {
    return strncasecmp(remote, "\\\\test\\", 7) == 0 && remote[7] ? remote + 7 : NULL;
}

/* The file of a device or remote name. */
static int key_of(const WCHAR *name, char *key) {
    char text[256];
    narrow(name, text, sizeof text);
    const char *share = share_of(text);
    if (share) snprintf(key, 300, "@%s", share);
    else if (text[0] && text[1] == ':' && !text[2]) snprintf(key, 300, "%c:", text[0] & ~0x20);
    else return 0;
    return 1;
}

DWORD NPGetCaps(DWORD index) {
    switch (index) {
    case 1: return 0x50001;
    case 2: return 0x7F010000;
    case 3: return 1;
    case 4: return 1;                /* NPGetUser */
    case 6: return 1 | 2 | 4;        /* add, cancel, get */
    case 8: return 0x800;            /* resource information */
    case 0xB: return 1 | 2;          /* global, local */
    case 0xC: return 1;
    default: return 0;
    }
}

DWORD NPAddConnection(NETRESOURCE *resource, WCHAR *password, WCHAR *user) {
    char remote[256], given[256], who[256], key[300], path[512];
    narrow(resource->remote, remote, sizeof remote);
    const char *share = share_of(remote);
    if (!share) return 67;
    narrow(password, given, sizeof given);
    narrow(user, who, sizeof who);
    if (strcmp(share, "locked") == 0 && strcmp(given, "sesame") != 0) return 86;
    if (strcmp(share, "denied") == 0) return 5;
    if (strcmp(share, "explained") == 0) {
        if (WNetSetLastErrorW) {
            WCHAR text[64], name[64];
            widen("the moon is in the wrong quarter", text);
            widen("Test Network", name);
            WNetSetLastErrorW(4711, text, name);
        }
        return 1208;
    }
    if (strcmp(share, "slow") == 0) {
        file_of("entered", path, sizeof path);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        file_of("gate", path, sizeof path);
        int gate = open(path, O_RDONLY);
        char byte;
        while (read(gate, &byte, 1) < 0) {}
        close(gate);
    }
    if (resource->local && resource->local[0]) key_of(resource->local, key);
    else snprintf(key, sizeof key, "@%s", share);
    file_of(key, path, sizeof path);
    FILE *out = fopen(path, "w");
    if (!out) return 59;
    fprintf(out, "%s\n%s\n", remote, who);
    fclose(out);
    return 0;
}

DWORD NPCancelConnection(WCHAR *name, BOOL force) {
    char key[300], path[512], remote[256], user[256];
    if (!key_of(name, key) || !load(key, remote, user)) return 2250;
    if (strcmp(share_of(remote), "held") == 0 && !force) return 2401;
    file_of(key, path, sizeof path);
    unlink(path);
    return 0;
}

static DWORD answer(const char *text, WCHAR *buffer, DWORD *chars) {
    DWORD needed = strlen(text) + 1;
    DWORD status = *chars < needed ? 234 : 0;
    if (status) *chars = needed;
    else widen(text, buffer);
    return status;
}

DWORD NPGetConnection(WCHAR *local, WCHAR *buffer, DWORD *chars) {
    char key[300], remote[256], user[256];
    if (!key_of(local, key) || !load(key, remote, user)) return 2250;
    return answer(remote, buffer, chars);
}

DWORD NPGetUser(WCHAR *name, WCHAR *buffer, DWORD *chars) {
    char key[300], remote[256], user[256];
    if (!key_of(name, key) || !load(key, remote, user)) return 2250;
    return answer(user[0] ? user : "nobody", buffer, chars);
}

/* Enumerations: all entries are collected when one is opened. */
typedef struct { int count, next; char local[32][8], remote[32][256]; } LISTING;

DWORD NPOpenEnum(DWORD scope, DWORD type, DWORD usage, NETRESOURCE *container, void **handle) {
    char name[256] = "";
    LISTING *listing = calloc(1, sizeof *listing);
    (void)type, (void)usage;
    if (container) narrow(container->remote, name, sizeof name);
    if (scope == 1) {
        DIR *directory = opendir(STATE);
        struct dirent *entry;
        while (directory && (entry = readdir(directory)) && listing->count < 32) {
            char user[256], *remote = listing->remote[listing->count];
            int device = strlen(entry->d_name) == 2 && entry->d_name[1] == ':';
            if ((!device && entry->d_name[0] != '@') || !load(entry->d_name, remote, user)) continue;
            if (device) strcpy(listing->local[listing->count], entry->d_name);
            listing->count++;
        }
        if (directory) closedir(directory);
    } else if (scope == 2 && !container) {
        strcpy(listing->remote[listing->count++], "\\\\test");
    } else if (scope == 2 && strcasecmp(name, "\\\\test") == 0) {
        strcpy(listing->remote[listing->count++], "\\\\test\\locked");
        strcpy(listing->remote[listing->count++], "\\\\test\\plain");
    } else {
        free(listing);
        return scope == 2 ? 67 : 50;
    }
    *handle = listing;
    return 0;
}

DWORD NPEnumResource(void *handle, DWORD *count, void *buffer, DWORD *bytes) {
    LISTING *listing = handle;
    if (listing->next == listing->count) return 259;
    const char *local = listing->local[listing->next], *remote = listing->remote[listing->next];
    DWORD needed = sizeof(NETRESOURCE) + 2 * (strlen(local) + strlen(remote) + 2);
    if (*bytes < needed) {
        *bytes = needed;
        return 234;
    }
    NETRESOURCE *entry = buffer;
    WCHAR *text = (WCHAR *)(entry + 1);
    int server = strchr(remote + 2, '\\') == NULL;
    memset(entry, 0, sizeof *entry);
    entry->scope = 1;
    entry->type = server ? 0 : 1;
    entry->display = server ? 2 : 3;
    entry->usage = server ? 2 : 1;
    entry->remote = text;
    widen(remote, text);
    if (local[0]) {
        entry->local = text + strlen(remote) + 1;
        widen(local, entry->local);
    }
    *count = 1;
    listing->next++;
    return 0;
}

DWORD NPCloseEnum(void *handle) {
    free(handle);
    return 0;
}

DWORD NPGetResourceInformation(NETRESOURCE *resource, void *buffer, DWORD *bytes, WCHAR **system) {
    char remote[256];
    narrow(resource->remote, remote, sizeof remote);
    char *share = (char *)share_of(remote);
    if (!share) return 67;
    char *rest = strchr(share, '\\');
    char rest_text[256] = "";
    if (rest) {
        strcpy(rest_text, rest);
        *rest = 0;
    }
    DWORD needed = sizeof(NETRESOURCE) + 2 * (strlen(remote) + strlen(rest_text) + 2);
    if (*bytes < needed) {
        *bytes = needed;
        return 234;
    }
    NETRESOURCE *entry = buffer;
    WCHAR *text = (WCHAR *)(entry + 1);
    memset(entry, 0, sizeof *entry);
    entry->type = 1;
    entry->display = 3;
    entry->usage = 1;
    entry->remote = text;
    widen(remote, text);
    *system = NULL;
    if (rest) {
        *system = text + strlen(remote) + 1;
        widen(rest_text, *system);
    }
    return 0;
}
