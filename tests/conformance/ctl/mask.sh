#!/bin/bash
# Masks in an output of etcdctl what differs from run to run, and the wording of help texts, which is our own:
# of a usage only commands, flags, types, defaults and their columns remain.
LC_ALL=C.UTF-8 sed -E \
    -e 's/^\{"level":"([a-z]+)","ts":"[^"]*"(,"logger":"[^"]*")?.*"msg":"([^"]*)"/zap \1\2 "\3"/' \
    -e '/^zap /{s/,"(target|peer|method|attempt|stacktrace|etcd-version|size|path|endpoint)":("([^"\\]|\\.)*"|[0-9]+)//g; s/,"took":"[^"]*"//; s/\}$//}' \
    -e 's/lease [0-9a-f]{16}/lease <id>/; s/^[0-9a-f]{16}$/<id>/' \
    -e 's/"(ID|id|lease)":[0-9]{15,}/"\1":<id>/g; s/^"(ID|Lease)" : [0-9]{15,}$/"\1" : <id>/' \
    -e 's/^"(ID|Lease)" : 0*[1-9a-f][0-9a-f]{14,15}$/"\1" : <hex>/' \
    -e 's/remaining\([0-9]+s\)/remaining(<s>)/; s/"ttl":[0-9]+/"ttl":<s>/' \
    -e 's/(took[ =:"]*) [0-9.]+(µs|ms|s)/\1 <time>/; s/("took":|"Took" : )"?[0-9.]+(µs|ms|s)"?/\1<time>/g' \
    -e 's/ +[0-9.]+(µs|ms) │/ <time> │/' \
    -e 's/"(dbSize|dbSizeInUse|raftIndex|raftAppliedIndex|hash)":[0-9]+/"\1":<n>/g' \
    -e 's/^"(DBSize|DBSizeInUse|RaftIndex|RaftAppliedIndex|Hash)" : [0-9]+/"\1" : <n>/' \
    -e 's/[0-9.]+ [kM]B([,│ ])/<size>\1/g; s/ [0-9]+%/ <percent>/' \
    -e '/│/s/ +/ /g; s/─+/─/g' \
    -e 's/127\.0\.0\.1:[0-9]+: connect/<dead>: connect/' |
    awk '
    # Text above a usage is free; after it, two columns are cut to the first.
    { line[++count] = $0; if ($0 == "Usage:" && !usage) usage = count }
    END {
        from = 1
        if (usage && line[1] !~ /^(Error|Unknown)/) from = usage
        for (i = from; i <= count; i++) {
            text = line[i]
            if (usage && i > usage) {
                if (text == "Examples:") { while (i < count && line[i + 1] != "") i++; continue }
                if (match(text, /^(  -., |      )--[a-z0-9-]+( (string|strings|int|uint|duration))? +[^ ]/)) {
                    tail = ""
                    if (match(text, /\(default [^)]*\)$/)) tail = substr(text, RSTART)
                    match(text, /^(  -., |      )--[a-z0-9-]+( (string|strings|int|uint|duration))? +/)
                    text = substr(text, 1, RLENGTH) "~" tail
                } else if (text ~ /^  [a-z-]+ +[A-Z]/ || text ~ /^  check  /) {
                    match(text, /^  [a-z-]+ +/)
                    text = substr(text, 1, RLENGTH) "~"
                }
            }
            if (text ~ /^The following options/) usage = i
            print text
        }
    }'
