// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// `/_control`: edits, faults, expiry, and what the sandbox knows.
extension SandboxState {
    mutating func control(_ request: SandboxRequest, at now: RequestTime) -> SandboxResponse {
        do throws(ControlRefusal) {
            switch (request.method, request.segments.dropFirst().joined(separator: "/")) {
            case ("POST", "edit"): return try edit(request)
            case ("POST", "faults"): return try addFault(request)
            case ("DELETE", "faults"):
                faults.clear()
                return SandboxResponse(json: #"{"faults":0}"#)
            case ("POST", "expire"): return try expire(request)
            case ("POST", "revoke"): return try revoke(request, true)
            case ("POST", "restore"): return try revoke(request, false)
            case ("POST", "webhooks"): return try addWebhook(request)
            case ("DELETE", "webhooks"):
                webhooks.clear()
                return SandboxResponse(json: #"{"webhooks":0}"#)
            case ("POST", "limits"): return try setLimits(request)
            case ("GET", "oauth/grants"): return try listGrants(request)
            case ("POST", let path) where path.hasPrefix("oauth/"):
                return try controlOAuth(request, path.dropFirst(6), at: now)
            case ("GET", "objects"): return try objects(request)
            case ("GET", "changes"): return try changes(request)
            case ("GET", "ledger"): return try requests(request)
            case ("GET", "window"): return try window(request)
            case ("GET", "stats"): return stats()
            default:
                throw ControlRefusal(
                    """
                    there are POST edit, faults, limits, expire, revoke, restore, oauth/clients, \
                    oauth/accounts, oauth/behaviour, oauth/tokens, oauth/expire, oauth/revoke, webhooks, \
                    DELETE faults, webhooks, and GET objects, changes, ledger, window, oauth/grants, stats
                    """)
            }
        } catch {
            return error.response
        }
    }

    private mutating func edit(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(
            request,
            allowed: [
                "user", "service", "stream", "id", "creates", "updates", "deletes", "random", "seed",
            ])
        let users = try parameters.user(configuration).map { $0...$0 } ?? 1...configuration.userCount
        let service = try parameters.service()
        if let count = try parameters.integer("random", in: 1...1_000_000) {
            let seed = UInt64(try parameters.integer("seed") ?? 0)
            let user = try parameters.user(configuration)
            let before = store.sequence
            for _ in 0..<count { store.editSomewhere(seed: seed, user: user, service: service) }
            return SandboxResponse(
                json: #"{"changes":\#(store.sequence),"edited":\#(store.sequence - before)}"#)
        }
        let stream = try parameters.stream()
        if stream == .slackReplies { throw ControlRefusal("replies are edited as 'messages'") }
        let range = 0...1_000_000
        let edit = ObjectStore.Edit(
            creates: try parameters.integer("creates", in: range) ?? 0,
            updates: try parameters.integer("updates", in: range) ?? 0,
            deletes: try parameters.integer("deletes", in: range) ?? 0)
        if let id = parameters.text("id") {
            guard let stream else { throw ControlRefusal("'id' needs a stream") }
            return try self.edit(id, stream, users.lowerBound, edit)
        }
        let streams =
            stream.map { [$0] } ?? SandboxStream.edited.filter { service == nil || $0.service == service }
        let keys = users.flatMap { user in
            streams.flatMap { store.collections(user: user, stream: $0).map(\.key) }
        }
        let most = keys.count * (edit.creates + edit.updates + edit.deletes)
        guard store.sequence + most <= ObjectStore.changeLimit else {
            throw ControlRefusal("the sandbox remembers \(ObjectStore.changeLimit) changes at most")
        }
        let edited = keys.reduce(0) { $0 + store.edit($1, edit) }
        return SandboxResponse(json: #"{"changes":\#(store.sequence),"edited":\#(edited)}"#)
    }

    private mutating func edit(
        _ id: String, _ stream: SandboxStream, _ user: Int, _ edit: ObjectStore.Edit
    ) throws(ControlRefusal) -> SandboxResponse {
        guard edit.creates == 0, edit.updates + edit.deletes == 1 else {
            throw ControlRefusal("with 'id', either 'updates' or 'deletes' is 1")
        }
        for collection in store.collections(user: user, stream: stream) {
            guard let index = bytes.index(of: id, in: collection) else { continue }
            let isDone = store.edit(collection.key, object: index, edit.deletes == 1 ? .deleted : .updated)
            return SandboxResponse(json: #"{"changes":\#(store.sequence),"edited":\#(isDone ? 1 : 0)}"#)
        }
        throw ControlRefusal("the user has no such object; with 'id', 'user' is needed too")
    }

    private mutating func addFault(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(
            request,
            allowed: [
                "kind", "service", "endpoint", "stream", "user", "page", "request", "skip", "times", "status",
                "retry_after", "body", "error", "executes", "milliseconds",
            ])
        guard let kind = parameters.text("kind").flatMap(Fault.Kind.init(name:)) else {
            throw ControlParameters.oneOf("kind", Fault.Kind.allCases.map(\.rawValue))
        }
        var fault = Fault(kind: kind)
        fault.service = try parameters.service()
        fault.stream = try parameters.stream()
        fault.user = try parameters.user(configuration)
        fault.page = try parameters.integer("page", in: 1...1_000_000_000)
        fault.status = try parameters.integer("status", in: 200...599) ?? 500
        fault.retryAfter = parameters.text("retry_after")
        fault.body = parameters.text("body")
        fault.endpoint = parameters.text("endpoint")
        fault.error = parameters.text("error")
        fault.executes = try parameters.flag("executes")
        fault.milliseconds = try parameters.integer("milliseconds", in: 0...3_600_000) ?? 1_000
        // The nth matching request is the one before which n - 1 pass.
        let number = try parameters.integer("request", in: 1...1_000_000_000)
        fault.skip = try parameters.integer("skip") ?? number.map { $0 - 1 } ?? 0
        fault.times = try parameters.integer("times", in: 1...1_000_000_000) ?? 1
        guard fault.retryAfter.map(Self.isHeaderValue) ?? true else {
            throw ControlRefusal("'retry_after' is no header value")
        }
        guard faults.add(fault) else { throw ControlRefusal("\(FaultPlan.limit) faults wait already") }
        return SandboxResponse(json: #"{"faults":\#(faults.faults.count)}"#)
    }

    private static func isHeaderValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
    }

    private mutating func expire(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["user", "tokens"])
        let kinds: [TokenEras.Kind]
        switch parameters.text("tokens") {
        case nil, "sync": kinds = [.sync]
        case "page": kinds = [.page]
        case "all": kinds = [.sync, .page]
        default: throw ControlParameters.oneOf("tokens", ["sync", "page", "all"])
        }
        let user = try parameters.user(configuration)
        for kind in kinds {
            if let user {
                eras.expire(kind, user: user, at: store.sequence)
            } else {
                eras.expire(kind, at: store.sequence)
            }
        }
        return SandboxResponse(json: #"{"changes":\#(store.sequence)}"#)
    }

    private mutating func revoke(
        _ request: SandboxRequest, _ isRevoked: Bool
    ) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["user"])
        let users = try parameters.user(configuration).map { $0...$0 } ?? 1...configuration.userCount
        if isRevoked { revoked.formUnion(users) } else { revoked.subtract(users) }
        return SandboxResponse(json: #"{"revoked":\#(revoked.count)}"#)
    }

    private func objects(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["user", "service", "stream", "at"])
        guard let user = try parameters.user(configuration) else { throw ControlRefusal("'user' is needed") }
        guard let stream = try parameters.stream() else { throw ControlRefusal("'stream' is needed") }
        let moment = try parameters.integer("at", in: 0...store.sequence)
        var response = SandboxResponse(contentType: "application/x-ndjson")
        response.headers.append(("Sandbox-Change", "\(moment ?? store.sequence)"))
        response.listing = ObjectListing(
            stream, store.collections(user: user, stream: stream, at: moment), bytes: bytes)
        return response
    }

    private func changes(_ request: SandboxRequest) throws(ControlRefusal) -> SandboxResponse {
        let parameters = try ControlParameters(request, allowed: ["after", "limit"])
        let changes = store.changes(
            after: try parameters.integer("after") ?? 0, limit: try parameters.integer("limit") ?? 10_000)
        return Self.lines(
            changes.map { key, change in
                """
                {"number":\(change.sequence),"user":\(JSONText.quoted(configuration.name(ofUser: key.user))),\
                "stream":"\(key.stream.name)",\
                "external_id":\(JSONText.quoted(bytes.externalID(store[key], Int(change.index)))),\
                "kind":"\(change.kind.name)"}
                """
            })
    }

    private func stats() -> SandboxResponse {
        SandboxResponse(
            json: """
                {"requests":\(ledger.total),"forgotten":\(ledger.dropped),"bench_requests":\(bench.requests),\
                "changes":\(store.sequence),"users":\(configuration.userCount),\
                "objects":\(configuration.objects),"faults":\(faults.faults.count),\
                "faults_met":\(faults.hits),"limited":\(limits.refusals),\
                "notifications_waiting":\(webhooks.waiting.count),\
                "notifications_dropped":\(webhooks.dropped),"seed":\(configuration.seed)}
                """)
    }

    static func lines(_ lines: [String]) -> SandboxResponse {
        SandboxResponse(
            contentType: "application/x-ndjson", body: ByteBuffer(string: lines.map { $0 + "\n" }.joined()))
    }
}
