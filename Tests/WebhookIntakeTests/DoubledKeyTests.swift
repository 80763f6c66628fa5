// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import Testing

@testable import WebhookIntake

/// Readers that take different ones of two members with one name would let a sender name one event and ask for another. So
/// such a body is refused, whoever signed it.
@Suite struct `A notification with a key twice` {
    @Test(arguments: [
        #"{"event_id":"Ev1","team_id":"T1","type":"event_callback","event":{"type":"user_change"},"event_id":"Ev2"}"#,
        #"{"event_id":"Ev1","team_id":"T1","type":"event_callback","event":{"type":"user_change"},"team_id":"T2"}"#,
        #"{"event_id":"Ev1","team_id":"T1","type":"event_callback","event":{"type":"user_change"},"event":{}}"#,
        // Below, the same value twice, and a name that is only written in another way.
        #"{"event_id":"Ev1","team_id":"T1","event":{"type":"user_change","user":{"id":"U1","id":"U2"}}}"#,
        #"{"event_id":"Ev1","team_id":"T1","event":{"type":"user_change"},"team_id":"T1"}"#,
        #"{"event_id":"Ev1","team_id":"T1","event":{"type":"user_change"},"\u0065vent_id":"Ev2"}"#,
        #"{"event_id":"Ev1","team_id":"T1","event":{"type":"user_change","blocks":[{"a":1},{"b":{"c":1,"c":2}}]}}"#,
    ])
    func `is refused, and nothing of it is kept`(body: String) async throws {
        try await IntakeFixture.run { fixture in
            _ = try await fixture.add(IntegrationKey(userID: "u_1", service: "slack", account: "T1"))
            _ = try await fixture.add(IntegrationKey(userID: "u_2", service: "slack", account: "T2"))

            #expect(try await fixture.status(fixture.slack(body)) == 400)

            #expect(try await fixture.rows().isEmpty)
            // The event that one of its names names is free for the real one.
            #expect(try await fixture.status(fixture.slack(IntakeFixture.event("Ev1"))) == 200)
            #expect(try await fixture.rows().count == 1)
        }
    }

    @Test func `in one event of a list is refused with the whole list`() async throws {
        try await IntakeFixture.run { fixture in
            _ = try await fixture.add(IntegrationKey(userID: "u_1", service: "hubspot", account: "7"))
            func event(_ id: Int, _ more: String = "") -> String {
                #"{"subscriptionId":1,"eventId":\#(id),"portalId":7,"subscriptionType":"contact.creation","objectId":5,"occurredAt":1\#(more)}"#
            }

            let doubled = #","portalId":8"#
            #expect(try await fixture.status(fixture.hubspot("[\(event(1)),\(event(2, doubled))]")) == 400)
            #expect(try await fixture.rows().isEmpty)

            #expect(try await fixture.status(fixture.hubspot("[\(event(1)),\(event(2))]")) == 200)
            #expect(try await fixture.rows().count == 2)
        }
    }
}
