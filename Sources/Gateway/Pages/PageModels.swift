// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model

/// What pages show, read from the JSON that the API gives.
enum PageModels {
    struct Integration: Decodable {
        struct Running: Decodable {
            let runId: Int64
            let type: String
            let startedAt: String
            let pages: Int64
            let recordsRead: Int64
        }

        struct Failure: Decodable {
            let code: String?
            let message: String?
        }

        let id: Int64
        let userId: String
        let service: String
        let account: String
        let status: String
        let health: String
        let lastSuccessAt: String?
        let running: Running?
        let lastError: Failure?
    }

    struct Stream: Decodable {
        let stream: String
        let phase: String
        let lastSuccessAt: String?
        let lastFullAt: String?
        let records: Int64
    }

    struct Run: Decodable {
        let id: Int64
        let jobId: String
        let attempt: Int64
        let integrationId: Int64
        let userId: String
        let service: String
        let type: String
        let status: String
        let worker: String
        let startedAt: String
        let completedAt: String?
        let pages: Int64
        let apiCalls: Int64
        let recordsRead: Int64
        let recordsAdded: Int64
        let recordsUpdated: Int64
        let recordsDeleted: Int64
        let recordsQuarantined: Int64
        let throttledMs: Int64
        let errorCode: String?
        let errorMessage: String?
        let errorDetail: String?
    }

    struct RunStream: Decodable {
        let stream: String
        let pages: Int64
        let recordsRead: Int64
        let recordsAdded: Int64
        let recordsUpdated: Int64
        let recordsDeleted: Int64
        let recordsUnchanged: Int64
        let recordsQuarantined: Int64
        let cursorBefore: String?
        let cursorAfter: String?
        let endedBy: String?
    }

    struct Request: Decodable {
        let at: String
        let method: String
        let endpoint: String
        let statusCode: Int64?
        let durationMs: Int64
        let bytes: Int64
        let requestId: String?
        let error: String?
    }

    struct Action: Decodable {
        let id: Int64
        let integrationId: Int64
        let userId: String
        let service: String
        let account: String
        let name: String
        let status: String
        let errorCode: String?
        let errorMessage: String?
        let errorDetail: String?
        let attempts: Int64
        let idempotencyKey: String
        let createdAt: String
        let completedAt: String?

        /// Whether something is still done about it.
        var isOpen: Bool { status == "requested" || status == "running" }
    }

    struct Service: Decodable {
        let service: String
        let status: String
        let integrations: Int64
        let lastSuccessAt: String?
        // `error_rate_24h` as the decoder writes it.
        let errorRate24H: Double?
        let runs24H: Int64
    }

    struct Alert: Decodable {
        let kind: String
        let service: String?
        let integrationId: Int64?
        let openedAt: String
        let title: String
        let detail: String
    }

    struct Hour: Decodable {
        let hour: String
        let succeeded: Int64
        let failed: Int64
        let changed: Int64
    }

    static func read<Value: Decodable>(_ json: [UInt8]) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Value.self, from: Data(json))
    }
}

/// Times as people say them.
struct Ago {
    let now: Timestamp

    /// `3 minutes ago`, with the time itself for whoever points at it; nil has its own words.
    func text(_ time: String?, none: String) -> HTML {
        guard let time, let instant = Timestamp(rfc3339: time) else { return "\(none)" }
        let stamp = Timestamp(seconds: instant.seconds).rfc3339
        return
            "<time datetime=\"\(stamp)\" title=\"\(stamp)\">\(Self.words(now.seconds - instant.seconds))</time>"
    }

    static func words(_ seconds: Int64) -> String {
        func plural(_ count: Int64, _ unit: String) -> String {
            "\(count) \(unit)\(count == 1 ? "" : "s") ago"
        }
        return switch seconds {
        case ..<10: "just now"
        case ..<60: plural(seconds, "second")
        case ..<3_600: plural(seconds / 60, "minute")
        case ..<86_400: plural(seconds / 3_600, "hour")
        default: plural(seconds / 86_400, "day")
        }
    }
}

/// What the words of the ledger mean to a person, and how they look.
enum StateWords {
    static func integration(status: String, health: String) -> HTML {
        switch (status, health) {
        case ("paused", _): state("idle", "Paused")
        case ("disconnected", _): state("idle", "Disconnected")
        case ("reauth_required", _): state("bad", "Needs to be connected again")
        case (_, "down"): state("bad", "Connected, but syncs fail")
        case (_, "degraded"): state("warn", "Connected, some syncs fail")
        case (_, "idle"): state("idle", "Connected, nothing synced today")
        default: state("good", "Connected")
        }
    }

    static func health(_ word: String) -> HTML {
        switch word {
        case "healthy": state("good", "healthy")
        case "degraded": state("warn", "degraded")
        case "down": state("bad", "down")
        case "reauth_required": state("bad", "needs new credentials")
        default: state("idle", word)
        }
    }

    static func run(_ status: String) -> HTML {
        switch status {
        case "succeeded": state("good", status)
        case "failed": state("bad", status)
        case "running": state("warn", status)
        default: state("idle", status)
        }
    }

    static func action(_ status: String) -> HTML {
        switch status {
        case "succeeded": state("good", status)
        // A person has to look what became of it.
        case "failed", "unknown": state("bad", status)
        case "running": state("warn", status)
        default: state("idle", status)
        }
    }

    private static func state(_ look: String, _ words: String) -> HTML {
        "<span class=\"state \(look)\">\(words)</span>"
    }
}
