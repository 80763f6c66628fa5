// SPDX-License-Identifier: Apache-2.0

import Cron
import HTTPTransport
import JobQueue
import Model
import SyncStore

extension StatusRoutes {
    /// A payload longer than this is cut on the page.
    private static let excerpt = 400

    func deadLetters(
        _ request: GatewayRequest, _ now: Timestamp, _ check: String
    ) async throws -> GatewayResponse {
        try request.allow(["cursor"])
        let offset = Int(try request.cursor(.dead)?[0] ?? 0)
        let page = try await queue.deadLetters(offset: offset, limit: Self.rows)
        let ago = Ago(now: now)
        let rows: [[HTML]] = page.letters.map { letter in
            let payload = String(decoding: letter.payload.prefix(Self.excerpt), as: UTF8.self)
            return [
                ago.text(letter.failedAt.rfc3339, none: ""), "<code>\(letter.id)</code>",
                "\(Self.clipped(letter.reason))<br><span class=\"muted\">\(letter.code), \(letter.attempts) \(letter.attempts == 1 ? "attempt" : "attempts"). \(Self.clipped(letter.detail))</span>",
                "<pre>\(payload)</pre>",
                letter.id.isEmpty
                    ? ""
                    : button("Replay", "/dead-letters/\(PercentEncoding.encoded(letter.id))/replay", check),
            ]
        }
        let end = offset + Self.rows
        let cursor = end < page.total ? PageCursor.make(.dead, [Int64(end)]) : nil
        return framed(
            "Dead letters", check,
            """
            <h1>Dead letters: \(page.total)</h1>
            <p class="muted">Jobs that cannot succeed as they are. Mend the cause, then replay them.</p>
            \(table(["Since", "Job", "Why", "Payload", ""], rows, none: "There is none."))
            \(nextPage("/dead-letters", at: cursor))
            """)
    }

    /// How much a sweep would delete, and of what.
    private static func extent(of sweep: HeldSweep) -> HTML {
        let own: HTML = "\(sweep.absent) of \(sweep.live)"
        return switch sweep.reason {
        case "unread": "\(own), and something that could not be read"
        case _ where sweep.children > 0: "\(own), with \(sweep.children) that belong to them"
        default: own
        }
    }

    func sweeps(
        _ request: GatewayRequest, _ now: Timestamp, _ check: String
    ) async throws -> GatewayResponse {
        try request.allow(["cursor"])
        let held = try await operations.heldSweeps(
            after: try request.cursor(.sweeps)?[0] ?? 0, limit: Self.rows)
        let ago = Ago(now: now)
        let rows: [[HTML]] = held.map { sweep in
            [
                "\(sweep.id)", ago.text(sweep.heldSince.rfc3339, none: ""),
                "<a href=\"/integrations/\(sweep.integrationID)\">\(.name(title(of: sweep.key.service))) of \(.name(sweep.key.userID))</a>",
                .name(sweep.stream), Self.extent(of: sweep),
                """
                \(button(
                    "Delete them", "/sweeps/\(sweep.id)/approve", check, look: "danger",
                    question: "Delete \(sweep.absent + sweep.children) records of the copy?"))\
                \(button("Keep them", "/sweeps/\(sweep.id)/reject", check))
                """,
            ]
        }
        let cursor = held.count < Self.rows ? nil : held.last.map { PageCursor.make(.sweeps, [$0.id]) }
        return framed(
            "Held deletions", check,
            """
            <h1>Held deletions</h1>
            <p class="muted">A complete sync did not find these records any more. They are too many to believe it at once, or it met
            something that it could not read. The next complete sync that agrees deletes them.</p>
            \(table(["Sweep", "Since", "Account", "Stream", "Absent", ""], rows, none: "Nothing waits for a decision."))
            \(nextPage("/sweeps", at: cursor))
            """)
    }

    func scheduleList(_ now: Timestamp, _ check: String) async throws -> GatewayResponse {
        let (all, now) = try await schedules.schedules()
        let ago = Ago(now: now)
        let rows: [[HTML]] = all.prefix(200).map { schedule in
            let definition = schedule.definition
            let scope: HTML =
                if let id = definition.integrationID {
                    "<a href=\"/integrations/\(id)\">account \(id)</a>"
                } else {
                    definition.service.map { .name(title(of: $0)) } ?? "all services"
                }
            return [
                .name(definition.name), "\(definition.type.rawValue)", scope,
                "<code>\(definition.cron)</code> \(definition.timeZone)",
                ago.text(schedule.lastFire?.rfc3339, none: "never"), Self.next(definition, after: now),
            ]
        }
        return framed(
            "Schedules", check,
            """
            <h1>Schedules</h1>
            \(table(["Name", "Type", "For", "When", "Last slot", "Next slots"], rows, none: "There is no schedule."))
            """)
    }

    /// The next three slots; a row that cannot be read shows its problem.
    private static func next(_ definition: ScheduleDefinition, after now: Timestamp) -> HTML {
        guard definition.isEnabled else { return "<span class=\"muted\">disabled</span>" }
        do throws(CronError) {
            let expression = try CronExpression(definition.cron, hashSeed: definition.name)
            let zone = try TimeZoneRules(named: definition.timeZone)
            var (slots, time) = ([HTML](), now)
            while slots.count < 3, let slot = expression.next(after: time, in: zone) {
                slots.append(
                    "<time datetime=\"\(slot.rfc3339)\">\(Timestamp(seconds: slot.seconds).rfc3339)</time><br>"
                )
                time = slot
            }
            return HTML(slots)
        } catch {
            return "<span class=\"bad\">\(error.message)</span>"
        }
    }
}
