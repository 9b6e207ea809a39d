"""Enrols the card in a reader with python-fido2, over PC/SC.

A client nobody here wrote: it lists devices, sets and changes the PIN, registers
and signs in against its own relying party, manages credentials, configures the
card, and resets it. Run as

    enrol.py READER short|extended 1|2

for the APDU format and the PIN/UV auth protocol. Prints what it saw as JSON; any
surprise is an exception.
"""

import json
import sys

from fido2.attestation import PackedAttestation
from fido2.client import ClientError, Fido2Client
from fido2.ctap import CtapError
from fido2.ctap2 import ClientPin, Config, CredentialManagement, Ctap2
from fido2.ctap2.pin import PinProtocolV1, PinProtocolV2
from fido2.pcsc import CtapPcscDevice
from fido2.server import AttestationVerifier, Fido2Server
from fido2.webauthn import AttestationConveyancePreference

RP = {"id": "sso.hopital.test", "name": "EXEMPLE"}
ORIGIN = "https://sso.hopital.test"
PERMISSION = ClientPin.PERMISSION


class Device(CtapPcscDevice):
    """python-fido2 0.9 was written for contactless readers: it does not expect
    SELECT to be answered 61xx, as every card on T=0 does."""

    def apdu_exchange(self, apdu, protocol=None):
        answer, sw1, sw2 = super().apdu_exchange(apdu, protocol)
        if apdu[1] == 0xA4 and sw1 == 0x61:
            return super().apdu_exchange(b"\x00\xc0\x00\x00" + bytes([sw2]), protocol)
        return answer, sw1, sw2


class Trusting(AttestationVerifier):
    """Checks the statement; whose root it hangs on is for others to check."""

    def ca_lookup(self, result, auth_data):
        return None

    def verify_attestation(self, attestation_object, client_data_hash):
        PackedAttestation().verify(
            attestation_object.att_statement, attestation_object.auth_data, client_data_hash
        )


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except CtapError as error:
        assert error.code == code, "%s instead of %s" % (error, code)
        return
    raise AssertionError("accepted instead of %s" % code)


def open_device(reader, extended):
    devices = list(Device.list_devices(reader))
    assert len(devices) == 1, devices
    devices[0].use_ext_apdu = extended
    return devices[0]


def main(reader, form, protocol):
    device = open_device(reader, form == "extended")
    ctap = Ctap2(device)
    protocol = {"1": PinProtocolV1, "2": PinProtocolV2}[protocol]()
    pin = ClientPin(ctap, protocol)
    seen = {"versions": ctap.info.versions, "aaguid": ctap.info.aaguid.hex(), "blank": not ctap.info.options["clientPin"]}

    pin.set_pin("482916")
    ctap._info = ctap.get_info()
    assert ctap.info.options["clientPin"]
    refused(CtapError.ERR.PIN_INVALID, pin.get_pin_token, "000000", PERMISSION.GET_ASSERTION, RP["id"])
    assert pin.get_pin_retries() == (7, False), pin.get_pin_retries()
    pin.change_pin("482916", "7391")
    assert pin.get_pin_retries() == (8, False), pin.get_pin_retries()

    def token(permissions, rp_id=None):
        return pin.get_pin_token("7391", permissions, rp_id)

    server = Fido2Server(RP, attestation=AttestationConveyancePreference.DIRECT, verify_attestation=Trusting())
    client = Fido2Client(device, ORIGIN)
    client.client_pin = pin
    credentials = []
    for user in ({"id": b"one", "name": "un", "displayName": "EXEMPLE Un"}, {"id": b"two", "name": "deux"}):
        options, state = server.register_begin(user, resident_key=True, user_verification="required")
        made = client.make_credential(options["publicKey"], pin="7391")
        data = server.register_complete(state, made.client_data, made.attestation_object)
        assert data.is_user_verified() and data.is_user_present()
        credentials.append(data.credential_data)
        seen["attestation"] = made.attestation_object.fmt
        seen["x5c"] = len(made.attestation_object.att_statement.get("x5c", []))
    options, state = server.register_begin(
        {"id": b"three", "name": "trois"}, credentials, resident_key=True, user_verification="required"
    )
    try:
        client.make_credential(options["publicKey"], pin="7391")
        raise AssertionError("the exclude list did not exclude")
    except ClientError as error:
        assert error.code == ClientError.ERR.DEVICE_INELIGIBLE, error

    options, state = server.authenticate_begin(user_verification="required")
    selection = client.get_assertion(options["publicKey"], pin="7391")
    users = [assertion.user for assertion in selection.get_assertions()]
    assert [user["id"] for user in users] == [b"two", b"one"], users
    assert users[1]["displayName"] == "EXEMPLE Un", users
    response = selection.get_response(1)
    found = server.authenticate_complete(
        state, credentials, response.credential_id, response.client_data, response.authenticator_data, response.signature
    )
    assert found.credential_id == credentials[0].credential_id
    seen["counter"] = response.authenticator_data.counter

    options, state = server.authenticate_begin(credentials[:1], user_verification="required")
    response = client.get_assertion(options["publicKey"], pin="7391").get_response(0)
    server.authenticate_complete(
        state, credentials, response.credential_id, response.client_data, response.authenticator_data, response.signature
    )

    def manage():
        return CredentialManagement(ctap, protocol, token(PERMISSION.CREDENTIAL_MGMT))

    counts = manage().get_metadata()
    assert counts[CredentialManagement.RESULT.EXISTING_CRED_COUNT] == 2, counts
    management = manage()
    rps = management.enumerate_rps()
    assert [rp[CredentialManagement.RESULT.RP]["id"] for rp in rps] == [RP["id"]], rps
    listed = management.enumerate_creds(rps[0][CredentialManagement.RESULT.RP_ID_HASH])
    assert len(listed) == 2
    ident = listed[0][CredentialManagement.RESULT.CREDENTIAL_ID]
    management.update_user_info(ident, {"id": b"one", "name": "premier"})
    management.delete_cred(listed[1][CredentialManagement.RESULT.CREDENTIAL_ID])
    listed = management.enumerate_creds(rps[0][CredentialManagement.RESULT.RP_ID_HASH])
    assert [c[CredentialManagement.RESULT.USER]["name"] for c in listed] == ["premier"], listed

    Config(ctap, protocol, token(PERMISSION.AUTHENTICATOR_CFG)).set_min_pin_length(6, [RP["id"]])
    info = ctap.get_info()
    assert info.min_pin_length == 6 and info.force_pin_change, info
    refused(CtapError.ERR.PIN_POLICY_VIOLATION, pin.change_pin, "7391", "12345")
    pin.change_pin("7391", "123456")
    ctap.selection()

    device.close()  # python's smartcard module takes the power away
    device = open_device(reader, form == "extended")
    ctap = Ctap2(device)
    ctap.reset()
    assert not ctap.get_info().options["clientPin"]
    seen["reset"] = True
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
