// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import DeclarativeConnectors
import Logging
import Model
import PostgresClient
import SyncStore

/// Compares what the sandbox has with what the ledger has, for all integrations.
struct Verifier {
    struct Finding {
        let integration: IntegrationSummary
        let stream: String
        let difference: RecordDifference
    }

    struct Result {
        /// How many objects were compared, by service.
        private var counts: [String: Int] = [:]
        var findings: [Finding] = []
        var objects: Int { counts.values.reduce(0, +) }

        func objects(of service: String) -> Int { counts[service] ?? 0 }

        mutating func add(_ count: Int, of service: String) { counts[service, default: 0] += count }
    }

    /// What the sandbox has. Of these, the streams that the connector has are compared.
    private static let streams = [
        "stripe": [
            "customers", "products", "prices", "invoices", "subscriptions", "payment_intents", "charges",
        ],
        "google-calendar": ["calendars", "events"],
        "slack": ["channels", "users", "messages", "replies"],
        "gmail": ["labels", "messages"],
    ]

    let pool: PostgresPool
    let registry: ConnectorRegistry
    /// The services' URLs, as in `LOCKSTEP_SERVICE_URLS`.
    let serviceURLs: [String: String]
    let logger: Logger

    func verify() async throws -> Result {
        var result = Result()
        var after: Int64 = 0
        let store = SyncStore(pool: pool)
        while true {
            let page = try await IntegrationStore(pool: pool).list(
                service: nil, userID: nil, after: after, limit: 200)
            guard let last = page.last else { return result }
            after = last.id
            for integration in page {
                let service = integration.key.service
                guard let streams = Self.streams[service], let connector = registry.connector(for: service),
                    let control = serviceURLs[service].flatMap({
                        SandboxControl(serviceURL: $0, logger: logger)
                    })
                else {
                    throw Exit.complain(
                        "integration \(integration.id) (\(integration.key)) is not at a sandbox; "
                            + "verify needs LOCKSTEP_SERVICE_URLS to name one for each service",
                        Exit.configuration)
                }
                for stream in connector.streams.map(\.name) where streams.contains(stream) {
                    let objects = try await control.objects(
                        user: integration.key.userID, service: service, stream: stream)
                    result.add(objects.count, of: service)
                    let found = try await store.differences(
                        ofIntegration: integration.id, stream: stream, from: objects)
                    result.findings += found.map {
                        Finding(integration: integration, stream: stream, difference: $0)
                    }
                }
            }
        }
    }
}

extension Verifier.Finding {
    /// One line that says what differs, and since when.
    var explanation: String {
        let place = "\(integration.key) \(stream) \(difference.externalID)"
        switch difference.kind {
        case .missing: return "\(place): missing; the provider has it, no record lives"
        case .extra:
            return
                "\(place): extra; the record lives since \(TimeOutput.text(difference.syncedAt)), the provider has no such object"
        case .different:
            return
                "\(place): different; stored \(difference.stored ?? "") at \(TimeOutput.text(difference.syncedAt)), "
                + "the provider has \(difference.expected ?? "")"
        }
    }
}
