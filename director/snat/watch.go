package snat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Watch calls changed after every change of the table that the kernel tells of,
// also those that Keep makes, until ctx is done; it then returns nil. The first call says
// that it has begun to listen.
func (k *Keeper) Watch(ctx context.Context, changed func()) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("snat: open netlink for the changes of nftables: %w", err)
	}
	defer conn.Close()
	if err := conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return fmt.Errorf("snat: join the changes of nftables: %w", err)
	}
	defer context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // ends Receive
	})()
	changed() // nobody told of what was before
	for {
		messages, err := conn.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			changed() // what was lost may have been about the table
			continue
		case err != nil:
			return fmt.Errorf("snat: hear of the changes of nftables: %w", err)
		}
		for _, m := range messages {
			if about(m) == Table {
				changed()
				break
			}
		}
	}
}

// about gives the table that a message is about, "" where it is none's. Messages of
// tables, chains and rules all begin with the table's name (NFTA_TABLE_NAME,
// NFTA_CHAIN_TABLE, NFTA_RULE_TABLE), after the four bytes of struct nfgenmsg.
func about(m netlink.Message) string {
	if len(m.Data) < 4 || uint16(m.Header.Type)&0xff == unix.NFT_MSG_NEWGEN {
		return ""
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return ""
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			return ad.String()
		}
	}
	return ""
}
