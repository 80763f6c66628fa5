// SPDX-License-Identifier: Apache-2.0

public import Model
public import SyncStore

/// What one look means for the alerts that are there.
public enum AlertDecision: Sendable, Equatable {
    /// A new trouble.
    case open(AlertSighting)
    /// A known trouble goes on.
    case seen(Int64)
    /// A known trouble is over.
    case resolve(Int64)

    /// Noting a known trouble again sooner tells nothing new.
    static let noteInterval: Duration = .seconds(30)

    /// Decides. An alert is resolved when its cause was not seen for the hold; a cause whose alert was resolved within the
    /// cooldown opens none, so that a trouble that comes and goes is told once in that time.
    public static func decide(
        _ readings: AlertReadings, _ states: [AlertState], cooldown: Duration, now: Timestamp
    ) -> [AlertDecision] {
        var decisions: [AlertDecision] = []
        let seen = Set(readings.sightings.map(\.cause))
        let open = Dictionary(
            states.filter { $0.resolvedAt == nil }.map { ($0.cause, $0) },
            uniquingKeysWith: { first, _ in first })
        let cooling = Set(
            states.filter { state in
                state.resolvedAt.map { $0.advanced(by: cooldown) > now } ?? false
            }.map(\.cause))
        for sighting in readings.sightings {
            if let state = open[sighting.cause] {
                if state.seenAt.advanced(by: noteInterval) <= now { decisions.append(.seen(state.id)) }
            } else if !cooling.contains(sighting.cause) {
                decisions.append(.open(sighting))
            }
        }
        for state in open.values.sorted(by: { $0.id < $1.id }) {
            guard let kind = AlertKind(rawValue: state.cause.kind), readings.known.contains(kind),
                !seen.contains(state.cause), state.seenAt.advanced(by: AlertObjectives.hold) <= now
            else { continue }
            decisions.append(.resolve(state.id))
        }
        return decisions
    }
}
