// SPDX-License-Identifier: Apache-2.0

import Logging
public import RateLimits

extension StatusRoutes {
    /// How limits stand, of one account or of all that the accounts of a service share.
    public typealias LimitReader =
        @Sendable (_ service: String, _ integration: Int64?) async throws(LimitError) -> [LimitStanding]

    /// What the accounts of these services share. Redis is asked; without it the page says so and shows the rest.
    func sharedLimits(_ services: [String]) async -> HTML {
        await limits(
            of: services.prefix(Self.rows).map { ($0, nil) }, headings: ["Service", "Limit", "Allows", "Now"]
        ) { service, standing in
            [.name(title(of: service)), "\(standing.name)", "\(standing.allows)", state(standing)]
        }
    }

    /// The limits under which one account's requests are sent.
    func limits(of id: Int64, _ service: String) async -> HTML {
        await limits(of: [(service, id)], headings: ["Limit", "Counts", "Allows", "Now"]) { _, standing in
            ["\(standing.name)", "\(standing.concerns)", "\(standing.allows)", state(standing)]
        }
    }

    private func limits(
        of subjects: [(service: String, id: Int64?)], headings: [String],
        _ row: (String, LimitStanding) -> [HTML]
    ) async -> HTML {
        var rows: [[HTML]] = []
        do throws(LimitError) {
            for (service, id) in subjects {
                rows += try await limitReader(service, id).map { row(service, $0) }
            }
        } catch {
            return "<h2>Rate limits</h2>\n<p class=\"bad\">The limits cannot be read: \(error.message)</p>"
        }
        return """
            <h2>Rate limits</h2>
            \(table(headings, Array(rows.prefix(Self.rows)), none: "No limit is known."))
            """
    }

    private func state(_ standing: LimitStanding) -> HTML {
        standing.closedFor == nil ? "\(standing.state)" : "<span class=\"bad\">\(standing.state)</span>"
    }
}
