package sealing

import "fmt"

var probePart = []byte("hooklog keyset probe")

// Probe returns bytes to keep in the log: CheckProbe then tells of any keyset whether it is the log's own.
func (k *Keyset) Probe() ([]byte, error) {
	probe, err := k.wrapper.Encrypt(k.MAC(probePart), []byte(probePurpose))
	if err != nil {
		return nil, fmt.Errorf("seal a keyset probe: %w", err)
	}
	return probe, nil
}

// CheckProbe returns nil if both halves of this keyset, or of one it was rotated from, made the probe; else an error
// that is ErrOpen or ErrMAC.
func (k *Keyset) CheckProbe(probe []byte) error {
	tag, err := k.wrapper.Decrypt(probe, []byte(probePurpose))
	if err != nil {
		return fmt.Errorf("open the keyset probe: %w", ErrOpen)
	}
	if err := k.VerifyMAC(tag, probePart); err != nil {
		return fmt.Errorf("check the keyset probe: %w", err)
	}
	return nil
}
