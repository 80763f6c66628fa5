// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Model
import RateLimits
import SyncStore

/// What is known of a job or an integration, from the queue and from the ledger.
struct ExplainReport {
    let subject: String
    let found: QueueExplanation
    /// The newest first.
    let runs: [JobRun]
    let integration: (id: Int64, key: IntegrationKey, status: String)?
    /// How the limits of the integration stand; empty where none is known.
    let limits: [LimitStanding]

    /// Nobody has ever heard of it.
    var isEmpty: Bool { found.sightings.isEmpty && runs.isEmpty && integration == nil }

    /// What concerns all jobs of the integration.
    private var common: [WaitReason] { status + limits.compactMap(LimitsCommand.reason) }

    private var status: [WaitReason] {
        guard let integration, integration.status != "active" else { return [] }
        return [
            WaitReason(
                code: "integration_\(integration.status)",
                text:
                    "integration \(integration.id) (\(integration.key)) is \(integration.status), so its jobs become dead letters when their turn comes; \(Self.advice(integration.status))"
            )
        ]
    }

    private static func advice(_ status: String) -> String {
        switch status {
        case "paused": "'lockstep integrations resume' ends that"
        case "reauth_required": "'lockstep integrations add' with a new credential ends that"
        default: "see 'lockstep integrations show'"
        }
    }

    // MARK: - For people

    var text: String {
        var lines = found.sightings.flatMap { sighting in
            ["\(name(sighting)) \(place(sighting))."] + sighting.reasons.map { "  \($0.text)." }
        }
        if found.sightings.isEmpty {
            lines.append(
                isEmpty
                    ? "\(subject) is nowhere: not in the queue, not among the dead letters, not in the sync log."
                    : "\(subject) is not in the queue.")
        }
        lines += found.partial.map {
            "Looked at \($0.looked) of \($0.total) elements of \($0.place), of a list the oldest and the newest; the rest was not searched."
        }
        if found.isCancelled, found.sightings.isEmpty { lines.append("Somebody cancelled it.") }
        lines += common.map { $0.text.prefix(1).uppercased() + $0.text.dropFirst() + "." }
        lines += runs.map(runLine)
        return lines.joined(separator: "\n")
    }

    private func name(_ sighting: JobSighting) -> String {
        let type = sighting.type.map { " (\($0.rawValue))" } ?? ""
        return sighting.id.map { "job \($0)\(type)" } ?? "a job without an id\(type)"
    }

    private func place(_ sighting: JobSighting) -> String {
        let queue = sighting.queue.rawValue
        switch sighting.place {
        case .inFlight(let ends, let claimant, let isRunning):
            let lease =
                ends.map { "until \(Self.precise($0))" } ?? "without a lease; it is recovered within seconds"
            return
                "is \(isRunning ? "running" : "in flight") from queue \(queue): worker token \(claimant)…, leased \(lease), "
                + "\(sighting.attempts) failed attempts, \(sighting.recoveries) workers died with it"
        case .list: return "is ready in queue \(queue)"
        case .inbox: return "is ready in queue \(queue), in its inbox"
        case .lane: return "is ready in queue \(queue), in the lane of its user"
        case .delayed(let until): return "is delayed until \(Self.precise(until)), for queue \(queue)"
        case .parked: return "is parked, for queue \(queue)"
        case .dead(let code, _, let failedAt):
            return
                "is a dead letter since \(TimeOutput.text(failedAt)): \(code), after \(sighting.attempts) attempts"
        }
    }

    private static func precise(_ time: Timestamp) -> String {
        Timestamp(milliseconds: time.milliseconds).rfc3339
    }

    private func runLine(_ run: JobRun) -> String {
        let when =
            run.completedAt.map { "ended \(TimeOutput.text($0))" }
            ?? "began \(TimeOutput.text(run.startedAt))"
        var line =
            "Run \(run.id) of job \(run.jobID) (\(run.type), attempt \(run.attempt), \(run.worker)): \(run.status), \(when)"
        if let code = run.errorCode { line += "; \(code)" }
        if let detail = run.errorDetail ?? run.errorMessage { line += ": \(detail)" }
        return line + "."
    }

    // MARK: - For programs

    var json: String {
        let jobs = found.sightings.map(object).joined(separator: ",")
        let partial = found.partial.map {
            "{\"place\":\(JSONOutput.quoted($0.place)),\"looked\":\($0.looked),\"total\":\($0.total)}"
        }.joined(separator: ",")
        let rows = runs.map(object).joined(separator: ",")
        let row = integration.map {
            "{\"id\":\($0.id),\"name\":\(JSONOutput.quoted("\($0.key)")),\"status\":\(JSONOutput.quoted($0.status))}"
        }
        return """
            {"now":\(Self.time(found.now)),"integration":\(row ?? "null"),"cancelled":\(found.isCancelled),\
            "reasons":\(Self.list(common)),"jobs":[\(jobs)],"not_searched":[\(partial)],"runs":[\(rows)]}
            """
    }

    private func object(_ sighting: JobSighting) -> String {
        var members = [
            ("id", Self.text(sighting.id)), ("type", Self.text(sighting.type?.rawValue)),
            ("queue", Self.text(sighting.queue.rawValue)), ("attempts", "\(sighting.attempts)"),
            ("recoveries", "\(sighting.recoveries)"), ("enqueued_at", Self.time(sighting.enqueuedAt)),
        ]
        switch sighting.place {
        case .inFlight(let ends, let claimant, let isRunning):
            members += [
                ("place", Self.text("in_flight")), ("lease_ends", Self.time(ends)),
                ("worker_token", Self.text(claimant)), ("running", "\(isRunning)"),
            ]
        case .list(let before, let total):
            members += [("place", Self.text("list")), ("before", "\(before)"), ("of", "\(total)")]
        case .inbox(let before, let total):
            members += [("place", Self.text("inbox")), ("before", "\(before)"), ("of", "\(total)")]
        case .lane(let name, let position, let total, let lanes):
            members += [
                ("place", Self.text("lane")), ("lane", Self.text(name)), ("position", "\(position)"),
                ("of", "\(total)"), ("lanes_before", "\(lanes)"),
            ]
        case .delayed(let until):
            members += [("place", Self.text("delayed")), ("due_at", Self.time(until))]
        case .parked: members.append(("place", Self.text("parked")))
        case .dead(let code, let reason, let failedAt):
            members += [
                ("place", Self.text("dead")), ("code", Self.text(code)), ("reason", Self.text(reason)),
                ("failed_at", Self.time(failedAt)),
            ]
        }
        members.append(("reasons", Self.list(sighting.reasons)))
        return Self.object(members)
    }

    private func object(_ run: JobRun) -> String {
        Self.object([
            ("id", "\(run.id)"), ("job_id", Self.text(run.jobID)), ("attempt", "\(run.attempt)"),
            ("type", Self.text(run.type)), ("status", Self.text(run.status)),
            ("worker", Self.text(run.worker)),
            ("started_at", Self.time(run.startedAt)), ("completed_at", Self.time(run.completedAt)),
            ("error_code", Self.text(run.errorCode)), ("error_message", Self.text(run.errorMessage)),
            ("error_detail", Self.text(run.errorDetail)),
        ])
    }

    private static func object(_ members: [(String, String)]) -> String {
        "{" + members.map { "\(JSONOutput.quoted($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    private static func list(_ reasons: [WaitReason]) -> String {
        "["
            + reasons.map { object([("code", text($0.code)), ("text", text($0.text))]) }.joined(
                separator: ",") + "]"
    }

    private static func text(_ text: String?) -> String { text.map(JSONOutput.quoted) ?? "null" }
    private static func time(_ time: Timestamp?) -> String {
        time.map { "\"\(precise($0))\"" } ?? "null"
    }
}
