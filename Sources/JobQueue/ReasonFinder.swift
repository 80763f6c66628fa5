// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

/// Says why a job that was found does not run now.
struct ReasonFinder {
    let queue: JobQueue
    let now: Timestamp

    /// A worker tells every 10 s that it lives; one that was silent for longer does not.
    static let silence: Duration = .seconds(30)
    /// Lanes whose length is asked for to tell how many jobs come before one.
    static let lanesCounted = 100

    private var keys: QueueKeys { queue.keys }

    func reasons(
        for job: FoundJob, at found: FoundPlace, _ search: JobSearch
    ) async throws(QueueError) -> [WaitReason] {
        let id = job.id ?? ""
        if !id.isEmpty, try await !queue.cancelled(among: [id]).isEmpty {
            return [
                WaitReason(
                    code: "cancelled", text: "somebody cancelled it; it is dropped when its turn comes")
            ]
        }
        switch found.place {
        case .inFlight(_, _, let isRunning):
            return isRunning
                ? []
                : [
                    WaitReason(
                        code: "settling", text: "a worker holds it for a moment to put it aside or to end it")
                ]
        case .delayed(let until): return [delay(job, until)]
        case .parked: return [try await parking(job, found.wait)]
        case .dead: return []
        case .inbox, .list, .lane:
            let names = try await self.names(job, search)
            var reasons = try await stops(job, names, search)
            reasons += try await workers(serving: job.queue)
            if let turn = try await turn(job, found.place) { reasons.append(turn) }
            return reasons
        }
    }

    // MARK: - Waiting jobs

    private func delay(_ job: FoundJob, _ until: Timestamp) -> WaitReason {
        guard until > now else {
            return WaitReason(
                code: "due", text: "its time has come; the next claim of a worker makes it ready")
        }
        let when = Timestamp(milliseconds: until.milliseconds).rfc3339
        let attempts = job.envelope?.attempts ?? 0
        if job.id?.hasPrefix("slot:") == true, job.envelope?.state == "q" {
            return WaitReason(
                code: "spread", text: "it waits until \(when), its place in the spread of its schedule's slot"
            )
        }
        if let notBefore = job.payload?.notBefore, notBefore > now {
            return WaitReason(code: "not_before", text: "its payload says not before \(notBefore.rfc3339)")
        }
        if job.envelope?.state == "q" {
            return WaitReason(code: "enqueued_later", text: "it was enqueued to start at \(when)")
        }
        if attempts > 0 {
            return WaitReason(
                code: "retry",
                text:
                    "it waits until \(when) after \(attempts) attempt\(attempts == 1 ? "" : "s") that failed")
        }
        return WaitReason(
            code: "snoozed",
            text:
                "it was put off until \(when) without an attempt charged, as a limit, its provider or a drain asked"
        )
    }

    private func parking(_ job: FoundJob, _ wait: String) async throws(QueueError) -> WaitReason {
        if let scope = wait.named("pause:") {
            let isPaused =
                try await queue.command(["SISMEMBER", RedisArgument(keys.paused), RedisArgument(scope)]).int
                == 1
            return WaitReason(
                code: "paused",
                text: isPaused
                    ? "it is parked, as \(scope) is paused; 'lockstep queue resume \(scope)' releases it"
                    : "it is parked for the pause of \(scope), which is over; workers release it within seconds"
            )
        }
        if let scope = wait.named("cap:") {
            guard let cap = try await cap(of: scope) else {
                return WaitReason(
                    code: "cap",
                    text:
                        "it is parked for the cap of \(scope), which is gone; workers release it within seconds"
                )
            }
            return WaitReason(
                code: "cap",
                text:
                    "it is parked, as \(try await used(scope)) of at most \(cap) jobs of \(scope) run; the next one that ends starts it"
            )
        }
        let holder = try await holder(of: [wait])
        return WaitReason(
            code: "integration_busy",
            text: holder.map {
                "it is parked, as job \($0) of the same integration runs; it starts when that one ends"
            } ?? "it is parked for its integration, which is free; workers release it within seconds")
    }

    // MARK: - Ready jobs

    /// Whose job it is, as far as the queue knows.
    private func names(
        _ job: FoundJob, _ search: JobSearch
    ) async throws(QueueError) -> (user: String, service: String)? {
        if let names = job.names { return names }
        if case .integration(_, let key) = search { return (key.userID, key.service) }
        guard job.lockKey.hasPrefix("#") else { return nil }
        let owner = try await queue.command([
            "HGET", RedisArgument(keys.owners), RedisArgument(String(job.lockKey.dropFirst())),
        ]).text
        let parts = owner?.split(separator: "\u{1F}", omittingEmptySubsequences: false) ?? []
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    /// Pauses, the integration's running job, and caps: what parks the job when its turn comes.
    private func stops(
        _ job: FoundJob, _ names: (user: String, service: String)?, _ search: JobSearch
    ) async throws(QueueError) -> [WaitReason] {
        var reasons: [WaitReason] = []
        let queueScope = "queue:\(job.queue.rawValue)"
        var scopes = [queueScope]
        if let names { scopes += ["user:\(names.user)", "service:\(names.service)"] }
        var pauses = scopes
        if job.lockKey.hasPrefix("#") {
            pauses.append("integration:\(job.lockKey.dropFirst())")
        } else if case .integration(let id, _) = search {
            pauses.append("integration:\(id)")
        }
        let members =
            try await queue.command(
                ["SMISMEMBER", RedisArgument(keys.paused)] + pauses.map { RedisArgument($0) }
            ).array ?? []
        for (scope, isMember) in zip(pauses, members) where isMember.int == 1 {
            reasons.append(
                scope == queueScope
                    ? WaitReason(
                        code: "queue_paused",
                        text: "the queue is paused; 'lockstep queue resume \(scope)' starts it again")
                    : WaitReason(
                        code: "paused",
                        text:
                            "\(scope) is paused, so the job is parked when its turn comes; 'lockstep queue resume \(scope)' ends that"
                    ))
        }
        let locks = search.lockKeys.isEmpty ? [job.lockKey] : search.lockKeys
        if let holder = try await holder(of: locks), holder != job.id {
            reasons.append(
                WaitReason(
                    code: "integration_busy",
                    text:
                        "job \(holder) of the same integration runs, so this one is parked when its turn comes, and starts when that one ends"
                ))
        }
        for scope in scopes {
            guard let cap = try await cap(of: scope) else { continue }
            let used = try await used(scope)
            if used >= cap {
                reasons.append(
                    WaitReason(
                        code: "cap", text: "\(used) of at most \(cap) jobs of \(scope) run"))
            }
        }
        return reasons
    }

    private func workers(serving ready: Queue) async throws(QueueError) -> [WaitReason] {
        let since = now.advanced(by: .zero - Self.silence).milliseconds
        let reply = try await queue.command([
            "ZRANGE", RedisArgument(keys.workers), "+inf", RedisArgument(since), "BYSCORE", "REV", "LIMIT",
            "0",
            "100",
        ])
        let living = (reply.array ?? []).compactMap(\.text)
        guard !living.isEmpty else {
            return [
                WaitReason(
                    code: "no_worker",
                    text: "no worker has given a sign of life within \(Self.silence.components.seconds) s")
            ]
        }
        let served = try await queue.command(
            ["HMGET", RedisArgument(keys.serves)] + living.map { RedisArgument($0) })
        let names = (served.array ?? []).compactMap(\.text)
        // A worker of an older version does not tell.
        let isServed =
            names.count < living.count
            || names.contains { $0.split(separator: ",").contains { $0 == ready.rawValue } }
        return isServed
            ? []
            : [
                WaitReason(
                    code: "no_worker_for_queue",
                    text:
                        "\(living.count) workers live, but none of them serves the queue \(ready.rawValue); see LOCKSTEP_QUEUES"
                )
            ]
    }

    /// How many jobs come before it. Workers go on in the meantime, and newcomers take turns: it is an estimate.
    private func turn(_ job: FoundJob, _ place: JobSighting.Place) async throws(QueueError) -> WaitReason? {
        let ready = job.queue
        let statistics = try await queue.statistics()
        var urgent = 0
        for other in Queue.allCases.prefix(while: { $0 != ready }) { urgent += statistics.ready[other] ?? 0 }
        let first = urgent > 0 ? "\(urgent) jobs of more urgent queues come first; " : ""
        switch place {
        case .inbox(let before, let total):
            return WaitReason(
                code: "turn", text: "\(first)\(before) of \(total) jobs in the inbox are taken before it")
        case .list(let before, let total):
            return WaitReason(
                code: "turn",
                text:
                    "\(first)it is in no lane yet: \(before) of \(total) unsorted jobs are nearer to the end that is taken from; workers sort them by user, some at a time"
            )
        case .lane(let name, let position, let total, let lanes):
            let others = try await jobsBefore(lane: name, position: position, in: ready)
            return WaitReason(
                code: "turn",
                text:
                    "\(first)it is number \(position + 1) of \(total) in the lane of \(name), and \(lanes) lanes have their turn before; about \(others + position) jobs come before it"
            )
        case .inFlight, .delayed, .parked, .dead: return nil
        }
    }

    /// About how many jobs of other lanes take their turns before the job at a position of a lane.
    private func jobsBefore(
        lane: String, position: Int, in ready: Queue
    ) async throws(QueueError) -> Int {
        let (turns, lanes) = (RedisArgument(keys.turns(ready)), RedisArgument(keys.lanes(ready)))
        guard
            let score = try await queue.command(["ZSCORE", turns, RedisArgument(lane)]).text.flatMap(
                Double.init)
        else { return 0 }
        let turn = score + Double(position) * (try await step(of: lane))
        let reply = try await queue.command([
            "ZRANGE", turns, "0", RedisArgument(Self.lanesCounted - 1), "WITHSCORES",
        ])
        let flat = reply.array ?? []
        var (jobs, counted) = (0, 0)
        for index in stride(from: 0, to: flat.count - 1, by: 2) {
            guard let other = flat[index].text, other != lane,
                let start = flat[index + 1].text.flatMap(Double.init), start < turn
            else { continue }
            let length = try await queue.command([
                "ZLEXCOUNT", lanes, RedisArgument("[\(other)\u{1E}"), RedisArgument("(\(other)\u{1F}"),
            ]).int
            let chances = (turn - start) / (try await step(of: other))
            jobs += min(Int(length ?? 0), Int(Int64(saturating: min(chances, 1e9))) + 1)
            counted += 1
        }
        let all = try await queue.command(["ZCOUNT", turns, "-inf", RedisArgument("(\(turn)")]).int ?? 0
        // Of lanes beyond the first hundred those counted are an example.
        let rest = max(0, Int(all) - counted - 1)
        return counted == 0 ? jobs : jobs + rest * max(1, jobs / counted)
    }

    private func step(of lane: String) async throws(QueueError) -> Double {
        let weight = try await queue.command([
            "HGET", RedisArgument(keys.policy), RedisArgument("weight:user:\(lane)"),
        ]).text.flatMap(Double.init)
        guard let weight, weight.isFinite else { return 1 }
        return 1 / min(max(weight, 0.01), 100)
    }

    // MARK: - Locks and caps

    private func holder(of locks: [String]) async throws(QueueError) -> String? {
        let reply = try await queue.command(
            ["HMGET", RedisArgument(keys.running)] + locks.map { RedisArgument($0) })
        let holder = reply.array?.compactMap(\.text).first
        return holder.map { String($0.prefix { $0 != " " }) }
    }

    private func cap(of scope: String) async throws(QueueError) -> Int? {
        let kind = scope.prefix { $0 != ":" }
        let reply = try await queue.command([
            "HMGET", RedisArgument(keys.policy), RedisArgument("cap:\(scope)"),
            RedisArgument("cap:\(kind):*"),
        ])
        return reply.array?.compactMap(\.text).first.flatMap(Double.init).map { Int(Int64(saturating: $0)) }
    }

    private func used(_ scope: String) async throws(QueueError) -> Int {
        let count = try await queue.command([
            "ZLEXCOUNT", RedisArgument(keys.slots), RedisArgument("[\(scope)\u{1E}"),
            RedisArgument("(\(scope)\u{1F}"),
        ]).int
        return Int(count ?? 0)
    }
}

extension String {
    /// What follows a prefix; nil for other texts and for lock keys, whose user may have any name.
    fileprivate func named(_ start: String) -> String? {
        hasPrefix(start) && !contains("\u{1F}") ? String(dropFirst(start.count)) : nil
    }
}
