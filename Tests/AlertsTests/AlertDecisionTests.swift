// SPDX-License-Identifier: Apache-2.0

import Alerts
import Model
import SyncStore
import Testing

private let objectives = AlertObjectives(
    backlog: [.high: .seconds(60)], errors: 10, deadLetters: 5, allowsLossyRedis: false,
    cooldown: .seconds(600))
private let noon = Timestamp(seconds: 1_800_000_000)

private func burst(_ count: Int64, _ service: String = "slack") -> AlertSign {
    AlertSign(cause: AlertCause(kind: "error_burst", service: service), count: count)
}

private func decide(
    _ signs: [AlertSign]?, _ states: [AlertState] = [], at now: Timestamp = noon
) -> [AlertDecision] {
    var readings = AlertReadings(objectives)
    if let signs { readings.add(signs) }
    return AlertDecision.decide(readings, states, cooldown: objectives.cooldown, now: now)
}

private func opened(_ decisions: [AlertDecision]) -> [AlertCause] {
    decisions.compactMap { decision in
        if case .open(let sighting) = decision { sighting.cause } else { nil }
    }
}

@Suite struct `What opens and resolves an alert` {
    private let cause = AlertCause(kind: "error_burst", service: "slack")

    private func state(seen seconds: Int64, resolved: Int64? = nil) -> AlertState {
        AlertState(
            id: 7, cause: cause, seenAt: noon.advanced(by: .seconds(-seconds)),
            resolvedAt: resolved.map { noon.advanced(by: .seconds(-$0)) })
    }

    @Test func `more failed requests than the objective open one for each service`() {
        #expect(decide([burst(10)]).isEmpty)
        #expect(
            opened(decide([burst(11), burst(10, "stripe"), burst(500, "gmail")])).map(\.service)
                == ["slack", "gmail"])
    }

    @Test func `a trouble that goes on opens nothing, and is noted twice a minute at most`() {
        #expect(decide([burst(900)], [state(seen: 10)]).isEmpty)
        #expect(decide([burst(900)], [state(seen: 30)]) == [.seen(7)])
    }

    @Test func `it is resolved when its cause was unseen for two minutes, not sooner`() {
        #expect(decide([], [state(seen: 119)]).isEmpty)
        #expect(decide([burst(3)], [state(seen: 120)]) == [.resolve(7)])
    }

    @Test func `what nobody could look at resolves nothing`() {
        #expect(decide(nil, [state(seen: 5_000)]).isEmpty)
    }

    @Test func `a trouble that comes and goes opens once in the cooldown`() {
        #expect(decide([burst(50)], [state(seen: 700, resolved: 599)]).isEmpty)
        #expect(opened(decide([burst(50)], [state(seen: 700, resolved: 600)])) == [cause])
        // Another cause of the same kind has nothing to do with it.
        #expect(opened(decide([burst(50, "gmail")], [state(seen: 700, resolved: 1)])).count == 1)
    }

    @Test func `a flapping trouble of an hour is told at most once in twelve minutes`() {
        var (states, openings, now): ([AlertState], [Timestamp], Timestamp) = ([], [], noon)
        for step in 0..<360 {
            // Three bad looks, three good ones, and so on.
            for decision in decide(step / 3 % 2 == 0 ? [burst(99)] : [], states, at: now) {
                switch decision {
                case .open(let sighting):
                    openings.append(now)
                    states.append(AlertState(id: Int64(step), cause: sighting.cause, seenAt: now))
                case .seen(let id), .resolve(let id):
                    let isOver = decision == .resolve(id)
                    states = states.map {
                        $0.id == id
                            ? AlertState(id: id, cause: $0.cause, seenAt: now, resolvedAt: isOver ? now : nil)
                            : $0
                    }
                }
            }
            now = now.advanced(by: .seconds(10))
        }
        #expect(openings == [noon])
    }
}

@Suite struct `A look` {
    private func causes(_ read: (inout AlertReadings) -> Void) -> [AlertCause] {
        var readings = AlertReadings(objectives)
        read(&readings)
        return readings.sightings.map(\.cause)
    }

    @Test func `finds a backlog where the oldest job waited longer than its objective`() {
        #expect(causes { $0.add(oldestWait: [.high: .seconds(60), .low: .seconds(90_000)]) }.isEmpty)
        #expect(
            causes { $0.add(oldestWait: [.high: .seconds(61)]) }
                == [AlertCause(kind: "backlog", subject: "high")])
    }

    @Test func `finds dead letters that gather, by the age of the one that makes them too many`() {
        #expect(causes { $0.add(deadLetters: 4, ageOfLimit: nil) }.isEmpty)
        #expect(causes { $0.add(deadLetters: 400, ageOfLimit: .seconds(601)) }.isEmpty)
        #expect(
            causes { $0.add(deadLetters: 5, ageOfLimit: .seconds(600)) }
                == [AlertCause(kind: "dead_letters")])
    }

    @Test func `finds each schedule with late slots`() {
        let late = AlertSign(
            cause: AlertCause(kind: "schedule_missed", subject: "hourly"), count: 1, slot: noon)
        #expect(causes { $0.add([late]) } == [late.cause])
    }

    @Test func `finds a Redis that may lose jobs, unless that is accepted; a trouble it finds always`() {
        let finding = [AlertCause(kind: "redis_durability")]
        #expect(causes { $0.add(lossySettings: [], troubles: []) }.isEmpty)
        #expect(causes { $0.add(lossySettings: ["appendonly"], troubles: []) } == finding)
        var accepting = objectives
        accepting.allowsLossyRedis = true
        var readings = AlertReadings(accepting)
        readings.add(lossySettings: ["appendonly"], troubles: [])
        #expect(readings.sightings.isEmpty && readings.known == [.redisDurability])
        readings.add(lossySettings: ["appendonly"], troubles: ["disk full"])
        #expect(readings.sightings.map(\.detail) == ["disk full"])
    }
}
