// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import JobQueue
import Model
import SyncStore

extension StatusRoutes {
    func fleet(_ check: String) async throws -> GatewayResponse {
        let counted = try await counter.value()
        let hours: [PageModels.Hour] = try PageModels.read(counted.0.hours)
        let services: [PageModels.Service] = try PageModels.read(counted.0.services)
        return framed(
            "Fleet", check,
            """
            <h1>Fleet</h1>
            <div data-live="/live/fleet" aria-live="polite">\(try await liveFleet(counted))</div>
            <h2>The last 24 hours</h2>
            \(Chart.runs(hours))
            \(Chart.changes(hours))
            \(await sharedLimits(services.map(\.service)))
            """)
    }

    /// Figures, services and alerts.
    func liveFleet(_ counted: (FleetFigures, isNew: Bool)) async throws -> HTML {
        let now = try await reader.now()
        let (fleet, isNew) = counted
        let services: [PageModels.Service] = try PageModels.read(fleet.services)
        let alerts: [PageModels.Alert] = try PageModels.read(try await reader.alerts())
        // Always the same words of the same figures: a page that is kept fresh is sent only what has changed.
        let age: HTML? =
            isNew
            ? nil
            : "<p class=\"muted\">Counted at \(String(fleet.at.rfc3339.dropFirst(11).prefix(8))) UTC, anew every few seconds.</p>"
        return """
            \(await figures(services))
            <h2>Services</h2>
            \(table(
                ["Service", "Health", "Accounts", "Last success", "Runs in 24 hours", "Failed"],
                numbers: [2, 4, 5],
                services.map { row(of: $0, Ago(now: now)) }, none: "No account is connected yet."))
            \(age)
            <h2>Alerts</h2>
            \(table(
                ["Since", "What", "Where", "Detail"],
                alerts.prefix(Self.rows).map { row(of: $0, Ago(now: now)) }, none: "No alert is open."))
            """
    }

    private func row(of service: PageModels.Service, _ ago: Ago) -> [HTML] {
        let rate = service.errorRate24H.map { "\(Int(($0 * 100).rounded())) %" } ?? "-"
        let link: HTML =
            "<a href=\"/integrations?service=\(PercentEncoding.encoded(service.service))\">\(.name(title(of: service.service)))</a>"
        return [
            link, StateWords.health(service.status), "\(service.integrations)",
            ago.text(service.lastSuccessAt, none: "never"), "\(service.runs24H)", "\(rate)",
        ]
    }

    private func row(of alert: PageModels.Alert, _ ago: Ago) -> [HTML] {
        let place: HTML =
            if let id = alert.integrationId {
                "<a href=\"/integrations/\(id)\">account \(id)</a>"
            } else {
                .name(alert.service ?? "-")
            }
        return [
            ago.text(alert.openedAt, none: ""), "\(Self.clipped(alert.title))", place,
            "\(Self.clipped(alert.detail))",
        ]
    }

    /// What waits and works now. Redis is asked; without it the page says so and shows the rest.
    private func figures(_ services: [PageModels.Service]) async -> HTML {
        let accounts = services.reduce(0) { $0 + $1.integrations }
        do throws(QueueError) {
            let statistics = try await queue.statistics()
            let waiting = Queue.allCases.map { statistics.backlog(of: $0) }.reduce(0, +)
            let figures: [HTML] = [
                ("Accounts", Int(accounts)), ("Living workers", statistics.livingWorkers ?? 0),
                ("Jobs that run", statistics.inFlight ?? 0), ("Jobs that wait", waiting),
                ("Delayed", statistics.delayed ?? 0), ("Parked", statistics.parked ?? 0),
                ("Dead letters", statistics.dead ?? 0),
            ].map { name, count in
                let look: HTML? = name == "Dead letters" && count > 0 ? " class=\"bad\"" : nil
                return "<div><b\(look)>\(count)</b>\(name)</div>\n"
            }
            return "<div class=\"figures\">\(figures)</div>"
        } catch {
            return "<p class=\"bad\" role=\"alert\">The queue cannot be reached: \(error.message)</p>"
        }
    }

    /// The service's name for people.
    func title(of service: String) -> String { directory.connector(service)?.title ?? service }
}
